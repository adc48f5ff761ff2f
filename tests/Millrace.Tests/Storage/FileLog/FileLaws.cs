using Millrace.Testing;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Tests.Storage.FileLog;

public sealed class FileBackendLaws : BackendConformance<FileFixture>;

public sealed class FileQueueLaws : QueueConformance<FileFixture>;

public sealed class FileQueueAdminLaws : QueueAdminConformance<FileFixture>;

public sealed class FileQueueRoutingLaws : QueueRoutingConformance<FileFixture>;

public sealed class FileQueueTransactionLaws : QueueTransactionConformance<FileFixture>;

public sealed class FileLockLaws : LockConformance<FileFixture>;

public sealed class FileStateLaws : StateConformance<FileFixture>;

public sealed class FileStreamLaws : StreamConformance<FileFixture>;

public sealed class FileStreamLawsForProcesses : StreamConformance<FileFixtureForProcesses>;

public sealed class FileQueueLawsWithoutMemory : QueueConformance<FileFixtureWithoutMemory>;

public sealed class FileQueueAdminLawsWithoutMemory : QueueAdminConformance<FileFixtureWithoutMemory>;

public sealed class FileQueueRoutingLawsWithoutMemory : QueueRoutingConformance<FileFixtureWithoutMemory>;

public sealed class FileQueueTransactionLawsWithoutMemory : QueueTransactionConformance<FileFixtureWithoutMemory>;
