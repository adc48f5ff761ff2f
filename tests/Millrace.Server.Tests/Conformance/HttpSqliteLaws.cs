using Millrace.Sqlite;
using Millrace.Storage;
using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Server.Tests.Conformance;

/// <summary>A server over <c>sqlite:</c>. Its death leaves the file, which the next one opens.</summary>
public sealed class HttpSqliteFixture : HttpFixture
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-http-");

    public override bool CanReopen => true;

    protected override string StoreUrl => $"sqlite:{Path.Combine(_folder.FullName, "data.db")}";

    public override async ValueTask CrashAsync(Backend backend)
    {
        await ((SqliteBackend)Store!).Store.AbandonAsync();
        await LoseServerAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
        _folder.Delete(recursive: true);
    }
}

public sealed class HttpSqliteBackendTests : BackendConformance<HttpSqliteFixture>;

public sealed class HttpSqliteQueueTests : QueueConformance<HttpSqliteFixture>;

public sealed class HttpSqliteQueueAdminTests : QueueAdminConformance<HttpSqliteFixture>;

public sealed class HttpSqliteQueueRoutingTests : QueueRoutingConformance<HttpSqliteFixture>;

public sealed class HttpSqliteQueueTransactionTests : QueueTransactionConformance<HttpSqliteFixture>;

public sealed class HttpSqliteChannelTests : ChannelConformance<HttpSqliteFixture>;

public sealed class HttpSqliteLockTests : LockConformance<HttpSqliteFixture>;

public sealed class HttpSqliteStateTests : StateConformance<HttpSqliteFixture>;

public sealed class HttpSqliteStreamTests : StreamConformance<HttpSqliteFixture>;
