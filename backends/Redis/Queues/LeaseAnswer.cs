using Millrace.Redis.Client;

namespace Millrace.Redis.Queues;

/// <summary>What a script has leased, and what it says of what is left.</summary>
/// <param name="NextEvent">Microseconds until something happens by itself; negative when nothing does.</param>
/// <param name="HasMore">Whether more can be leased.</param>
/// <param name="Salt">The queue's, of which ids that it assigned are made.</param>
/// <param name="Numbers">The numbers of the messages.</param>
/// <param name="Records">Their records.</param>
/// <param name="States">What has become of them before; empty when nothing has.</param>
internal readonly record struct LeaseAnswer(long NextEvent, bool HasMore, int Salt, RedisReply Numbers, RedisReply Records, RedisReply States);
