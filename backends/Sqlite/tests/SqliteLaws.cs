using Millrace.Testing;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Sqlite.Tests;

public sealed class SqliteBackendLaws : BackendConformance<SqliteFixture>;

public sealed class SqliteQueueLaws : QueueConformance<SqliteFixture>;

public sealed class SqliteQueueAdminLaws : QueueAdminConformance<SqliteFixture>;

public sealed class SqliteQueueRoutingLaws : QueueRoutingConformance<SqliteFixture>;

public sealed class SqliteQueueTransactionLaws : QueueTransactionConformance<SqliteFixture>;

public sealed class SqliteStreamLaws : StreamConformance<SqliteFixture>;

public sealed class SqliteLockLaws : LockConformance<SqliteFixture>;

public sealed class SqliteStateLaws : StateConformance<SqliteFixture>;
