namespace Millrace.Redis.Client.Protocol;

/// <summary>What a server has sent is not the Redis serialization protocol, or is over a limit. Nothing after it can be understood: the connection is cut.</summary>
internal sealed class RespException(string message) : Exception(message);
