using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;

namespace Millrace.Tests.Storage.FileLog.Journal;

public sealed class JournalQueueLaws : QueueConformance<JournalFixture>;

public sealed class JournalQueueAdminLaws : QueueAdminConformance<JournalFixture>;

public sealed class JournalQueueRoutingLaws : QueueRoutingConformance<JournalFixture>;

public sealed class JournalQueueTransactionLaws : QueueTransactionConformance<JournalFixture>;

public sealed class JournalLockLaws : LockConformance<JournalFixture>;

public sealed class JournalStateLaws : StateConformance<JournalFixture>;

public sealed class JournalQueueLawsWithoutMemory : QueueConformance<JournalFixtureWithoutMemory>;

public sealed class JournalQueueAdminLawsWithoutMemory : QueueAdminConformance<JournalFixtureWithoutMemory>;

public sealed class JournalQueueRoutingLawsWithoutMemory : QueueRoutingConformance<JournalFixtureWithoutMemory>;

public sealed class JournalQueueTransactionLawsWithoutMemory : QueueTransactionConformance<JournalFixtureWithoutMemory>;
