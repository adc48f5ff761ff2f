using Millrace.Testing.Queues;

namespace Millrace.Redis.Tests;

public sealed class RedisQueueLaws : QueueConformance<RedisFixture>;

public sealed class RedisQueueAdminLaws : QueueAdminConformance<RedisFixture>;

public sealed class RedisQueueRoutingLaws : QueueRoutingConformance<RedisFixture>;

public sealed class RedisQueueTransactionLaws : QueueTransactionConformance<RedisFixture>;
