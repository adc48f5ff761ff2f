using Millrace.Redis.Tests.Clocks;
using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Redis.Tests;

public sealed class RedisBackendLaws : BackendConformance<RedisFixture>;

public sealed class RedisQueueLaws : QueueConformance<ClockedFixture>;

public sealed class RedisQueueAdminLaws : QueueAdminConformance<ClockedFixture>;

public sealed class RedisQueueRoutingLaws : QueueRoutingConformance<ClockedFixture>;

public sealed class RedisQueueTransactionLaws : QueueTransactionConformance<ClockedFixture>;

public sealed class RedisStreamLaws : StreamConformance<ClockedFixture>;

public sealed class RedisChannelLaws : ChannelConformance<RedisFixture>;

public sealed class RedisLockLaws : LockConformance<ClockedFixture>;

public sealed class RedisStateLaws : StateConformance<RedisFixture>;
