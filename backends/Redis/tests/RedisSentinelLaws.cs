using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Redis.Tests;

public sealed class RedisSentinelBackendLaws : BackendConformance<RedisSentinelFixture>;

public sealed class RedisSentinelQueueLaws : QueueConformance<RedisSentinelFixture>;

public sealed class RedisSentinelQueueAdminLaws : QueueAdminConformance<RedisSentinelFixture>;

public sealed class RedisSentinelQueueRoutingLaws : QueueRoutingConformance<RedisSentinelFixture>;

public sealed class RedisSentinelQueueTransactionLaws : QueueTransactionConformance<RedisSentinelFixture>;

public sealed class RedisSentinelStreamLaws : StreamConformance<RedisSentinelFixture>;

public sealed class RedisSentinelChannelLaws : ChannelConformance<RedisSentinelFixture>;

public sealed class RedisSentinelLockLaws : LockConformance<RedisSentinelFixture>;

public sealed class RedisSentinelStateLaws : StateConformance<RedisSentinelFixture>;
