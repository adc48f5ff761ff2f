using Millrace.Testing.Queues;

namespace Millrace.Redis.Tests.Queues;

public sealed class ClockedQueueLaws : QueueConformance<ClockedFixture>;

public sealed class ClockedQueueAdminLaws : QueueAdminConformance<ClockedFixture>;

public sealed class ClockedQueueRoutingLaws : QueueRoutingConformance<ClockedFixture>;

public sealed class ClockedQueueTransactionLaws : QueueTransactionConformance<ClockedFixture>;
