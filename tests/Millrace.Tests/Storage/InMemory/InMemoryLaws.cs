using Millrace.Testing;
using Millrace.Testing.Queues;

namespace Millrace.Tests.Storage.InMemory;

public sealed class InMemoryBackendLaws : BackendConformance<InMemoryFixture>;

public sealed class InMemoryQueueLaws : QueueConformance<InMemoryFixture>;

public sealed class InMemoryQueueAdminLaws : QueueAdminConformance<InMemoryFixture>;

public sealed class InMemoryQueueRoutingLaws : QueueRoutingConformance<InMemoryFixture>;

public sealed class InMemoryQueueTransactionLaws : QueueTransactionConformance<InMemoryFixture>;
