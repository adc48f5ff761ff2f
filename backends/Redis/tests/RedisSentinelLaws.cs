using Millrace.Redis.Tests.Clocks;
using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Redis.Tests;

public sealed class RedisSentinelBackendLaws : BackendConformance<RedisSentinelFixture>;

public sealed class RedisSentinelQueueLaws : QueueConformance<ClockedSentinelFixture>;

public sealed class RedisSentinelQueueAdminLaws : QueueAdminConformance<ClockedSentinelFixture>;

public sealed class RedisSentinelQueueRoutingLaws : QueueRoutingConformance<ClockedSentinelFixture>;

public sealed class RedisSentinelQueueTransactionLaws : QueueTransactionConformance<ClockedSentinelFixture>;

public sealed class RedisSentinelStreamLaws : StreamConformance<ClockedSentinelFixture>;

public sealed class RedisSentinelChannelLaws : ChannelConformance<RedisSentinelFixture>;

public sealed class RedisSentinelLockLaws : LockConformance<ClockedSentinelFixture>;

public sealed class RedisSentinelStateLaws : StateConformance<RedisSentinelFixture>;
