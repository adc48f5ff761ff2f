using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Redis.Tests;

public sealed class RedisClusterBackendLaws : BackendConformance<RedisClusterFixture>;

public sealed class RedisClusterQueueLaws : QueueConformance<RedisClusterFixture>;

public sealed class RedisClusterQueueAdminLaws : QueueAdminConformance<RedisClusterFixture>;

public sealed class RedisClusterQueueRoutingLaws : QueueRoutingConformance<RedisClusterFixture>;

public sealed class RedisClusterStreamLaws : StreamConformance<RedisClusterFixture>;

public sealed class RedisClusterChannelLaws : ChannelConformance<RedisClusterFixture>;

public sealed class RedisClusterLockLaws : LockConformance<RedisClusterFixture>;

public sealed class RedisClusterStateLaws : StateConformance<RedisClusterFixture>;
