using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Redis.Tests;

public sealed class RedisBackendLaws : BackendConformance<RedisFixture>;

public sealed class RedisQueueLaws : QueueConformance<RedisFixture>;

public sealed class RedisQueueAdminLaws : QueueAdminConformance<RedisFixture>;

public sealed class RedisQueueRoutingLaws : QueueRoutingConformance<RedisFixture>;

public sealed class RedisQueueTransactionLaws : QueueTransactionConformance<RedisFixture>;

public sealed class RedisStreamLaws : StreamConformance<RedisFixture>;

public sealed class RedisChannelLaws : ChannelConformance<RedisFixture>;

public sealed class RedisLockLaws : LockConformance<RedisFixture>;

public sealed class RedisStateLaws : StateConformance<RedisFixture>;
