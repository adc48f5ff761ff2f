using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Tests.Storage.InMemory;

public sealed class InMemoryBackendLaws : BackendConformance<InMemoryFixture>;

public sealed class InMemoryQueueLaws : QueueConformance<InMemoryFixture>;

public sealed class InMemoryQueueAdminLaws : QueueAdminConformance<InMemoryFixture>;

public sealed class InMemoryQueueRoutingLaws : QueueRoutingConformance<InMemoryFixture>;

public sealed class InMemoryQueueTransactionLaws : QueueTransactionConformance<InMemoryFixture>;

public sealed class InMemoryStreamLaws : StreamConformance<InMemoryFixture>;

public sealed class InMemoryChannelLaws : ChannelConformance<InMemoryFixture>;

public sealed class InMemoryLockLaws : LockConformance<InMemoryFixture>;

public sealed class InMemoryStateLaws : StateConformance<InMemoryFixture>;
