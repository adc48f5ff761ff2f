using Millrace.Redis.Tests.Clocks;
using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Redis.Tests;

public sealed class RedisClusterBackendLaws : BackendConformance<RedisClusterFixture>;

public sealed class RedisClusterQueueLaws : QueueConformance<ClockedClusterFixture>;

public sealed class RedisClusterQueueAdminLaws : QueueAdminConformance<ClockedClusterFixture>;

public sealed class RedisClusterQueueRoutingLaws : QueueRoutingConformance<ClockedClusterFixture>;

public sealed class RedisClusterStreamLaws : StreamConformance<ClockedClusterFixture>;

public sealed class RedisClusterChannelLaws : ChannelConformance<RedisClusterFixture>;

public sealed class RedisClusterLockLaws : LockConformance<ClockedClusterFixture>;

public sealed class RedisClusterStateLaws : StateConformance<RedisClusterFixture>;
