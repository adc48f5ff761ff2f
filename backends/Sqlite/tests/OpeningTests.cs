using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Queues;
using Millrace.Sqlite.Schema;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>Bad input at the door: each a clear error, and nothing is harmed.</summary>
public sealed class OpeningTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("durability=sometimes", "full, process, none")]
    [InlineData("prefix=a-b", "identifier")]
    [InlineData("prefix=1a", "identifier")]
    [InlineData("prefix=sqlite_x", "identifier")]
    [InlineData("prefix=a;DROP TABLE x", "identifier")]
    [InlineData("prefix=", "identifier")]
    [InlineData("colour=red", "allowed are autocreate, busyTimeoutMs, cacheKilobytes, durability, prefix")]
    [InlineData("busyTimeoutMs=-1", "whole number")]
    [InlineData("autocreate=perhaps", "true or false")]
    public async Task AWrongOption_IsNamedWithWhatIsAllowed(string options, string allowed)
    {
        var error = await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync(_folder.Url(options)));
        Assert.Contains(allowed, error.Message, StringComparison.Ordinal);
        Assert.Contains(options.Split('=')[0], error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Theory]
    [InlineData("sqlite:", "must name a file")]
    [InlineData("sqlite::memory:", "memory:")]
    [InlineData("sqlite://data.db", "names a host")]
    public async Task AUrlWithoutAFile_IsAnError(string url, string expected) =>
        Assert.Contains(expected, (await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync(url))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task AMissingFolder_IsAnError()
    {
        var folder = Path.Combine(_folder.Path, "nowhere");
        var error = await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync($"sqlite:{folder}/data.db"));
        Assert.Contains(folder, error.Message, StringComparison.Ordinal);
        Assert.Contains("does not exist", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADirectoryInsteadOfAFile_IsAnError() =>
        Assert.Contains("is a directory", (await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync($"sqlite:{_folder.Path}"))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task AFolderThatCannotBeWritten_IsAnError()
    {
        // Nobody can make a file here, root included.
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc");
        var error = await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync("sqlite:/proc/self/data.db"));
        Assert.Contains("cannot be written", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFileThatIsNoDatabase_IsCorrupt_AndStaysAsItIs()
    {
        var text = string.Concat(Enumerable.Repeat("This is a letter, not a database. ", 100));
        await File.WriteAllTextAsync(_folder.File, text, Cancellation);
        var error = await Assert.ThrowsAsync<StorageCorruptException>(() => OpenAsync(_folder.Url()));
        Assert.Contains(_folder.File, error.Message, StringComparison.Ordinal);
        Assert.Equal(text, await File.ReadAllTextAsync(_folder.File, Cancellation));
    }

    [Fact]
    public async Task ADamagedDatabase_IsCorrupt()
    {
        await (await OpenAsync(_folder.Url())).DisposeAsync();
        var bytes = await File.ReadAllBytesAsync(_folder.File, Cancellation);
        Array.Fill(bytes, (byte)0xA5, 100, 4096);
        await File.WriteAllBytesAsync(_folder.File, bytes, Cancellation);

        var error = await Assert.ThrowsAsync<StorageCorruptException>(() => OpenAsync(_folder.Url()));
        Assert.Contains("damaged", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CREATE TABLE millrace_queue (x)", "millrace_queue")]
    [InlineData("CREATE TABLE millrace_lock (x)", "millrace_lock")]
    [InlineData("CREATE TABLE Millrace_State (x)", "Millrace_State")]
    [InlineData("CREATE VIEW millrace_ready AS SELECT 1", "millrace_ready")]
    [InlineData("CREATE TABLE MILLRACE_META (x)", "millrace_meta")]
    [InlineData("CREATE TABLE millrace_meta (x)", "millrace_meta")]
    [InlineData("CREATE TABLE millrace_meta (name, value)", "millrace_meta")]
    public async Task TablesOfAnotherProgram_AreLeftAlone(string sql, string table)
    {
        Execute(sql);
        var error = await Assert.ThrowsAsync<StorageCorruptException>(() => OpenAsync(_folder.Url()));
        Assert.Contains(table, error.Message, StringComparison.Ordinal);
        Assert.Contains("prefix", error.Message, StringComparison.Ordinal);
        using (var connection = Connection.Open(_folder.File, create: false, busyTimeoutMs: 1000))
        {
            Assert.Equal("delete", connection.QueryText("PRAGMA journal_mode"));
            Assert.Equal(1, connection.QueryNumber("SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view')"));
        }

        await using var backend = await OpenAsync(_folder.Url("prefix=other"));
        Assert.True((await backend.Health.ProbeAsync(Cancellation)).IsHealthy);
    }

    [Fact]
    public async Task AFileOfANewerVersion_IsRefused()
    {
        await (await OpenAsync(_folder.Url())).DisposeAsync();
        Execute("UPDATE millrace_meta SET value = '999' WHERE name = 'version'");
        var error = await Assert.ThrowsAsync<StorageCorruptException>(() => OpenAsync(_folder.Url()));
        Assert.Contains("999", error.Message, StringComparison.Ordinal);
        Assert.Contains("Update", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMigrationThatFails_LeavesNothingBehind()
    {
        NativeLibrarySetup.Ensure();
        using var connection = Connection.Open(_folder.File, create: true, busyTimeoutMs: 1000);
        connection.Execute("PRAGMA max_page_count = 5");
        Assert.Throws<BackendUnavailableException>(() => SchemaMigrations.Apply(connection, "millrace_"));
        Assert.Equal(0, connection.QueryNumber("SELECT count(*) FROM sqlite_schema WHERE type = 'table'"));
    }

    [Fact]
    public async Task TwoPrefixes_AreTwoStoresInOneFile()
    {
        await using var one = await OpenAsync(_folder.Url("prefix=one"));
        await using var two = await OpenAsync(_folder.Url("prefix=two"));
        await one.Queues!.EnqueueAsync("q", new Envelope[] { new("1"u8.ToArray()) }, default, Cancellation);
        Assert.Empty(await two.Require<IQueueAdmin>().ListQueuesAsync(cancellationToken: Cancellation));
        Assert.Equal(["q"], await one.Require<IQueueAdmin>().ListQueuesAsync(cancellationToken: Cancellation));
    }

    [Fact]
    public async Task WithoutAutocreate_AMissingQueueIsAnError()
    {
        await using var backend = await OpenAsync(_folder.Url("autocreate=false"));
        await Assert.ThrowsAsync<QueueNotFoundException>(async () => await backend.Queues!.EnqueueAsync("q", new Envelope[] { new("1"u8.ToArray()) }, default, Cancellation));
        await Assert.ThrowsAsync<QueueNotFoundException>(async () => await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation));
    }

    [Theory]
    [InlineData("full", StoreDurability.Full)]
    [InlineData("process", StoreDurability.Process)]
    [InlineData("none", StoreDurability.None)]
    public async Task Durability_IsReported(string option, StoreDurability expected)
    {
        await using var backend = await OpenAsync(_folder.Url("durability=" + option));
        Assert.Equal(expected, backend.Queues!.Capabilities.Durability);
        Assert.Equal(option, (await backend.Health.ProbeAsync(Cancellation)).Details["durability"]);
    }

    [Fact]
    public async Task TheDefaultRegistry_OpensTheUrl()
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(_folder.Url(), cancellationToken: Cancellation);
        Assert.IsType<SqliteBackend>(backend);
    }

    [Fact]
    public async Task AClosedStore_LeavesOneFile()
    {
        var backend = await OpenAsync(_folder.Url());
        await backend.Queues!.EnqueueAsync("q", new Envelope[] { new("1"u8.ToArray()) }, default, Cancellation);
        Assert.True(Directory.GetFiles(_folder.Path).Length > 1);
        await backend.DisposeAsync();
        Assert.Equal([_folder.File], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task ClosingAStore_EndsEveryWait_AndTwoClosingsAreOne()
    {
        var backend = await OpenAsync(_folder.Url());
        Assert.NotNull(await backend.Locks!.TryAcquireAsync("lock", "me", TimeSpan.FromHours(1), Cancellation));
        var release = backend.Locks.WaitForReleaseAsync("lock", Cancellation).AsTask();
        var change = backend.State!.WaitForChangeAsync("nothing", long.MaxValue - 1, Cancellation).AsTask();

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () => await backend.DisposeAsync(), Cancellation)));

        Assert.Equal([_folder.File], Directory.GetFiles(_folder.Path));
        var soon = TimeSpan.FromSeconds(30);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => release.WaitAsync(soon, Cancellation));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => change.WaitAsync(soon, Cancellation));
    }

    [Fact]
    public async Task ADelayOverTheLimit_IsCutToIt_AndTheDeliveryIsSettled()
    {
        await using var backend = await OpenAsync(_folder.Url());
        await backend.Queues!.EnqueueAsync("q", new Envelope[] { new("1"u8.ToArray()) }, default, Cancellation);
        await using var receiver = await backend.Queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var into = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
        var results = new SettleResult[1];
        await backend.Queues.SettleAsync("q", new[] { Settlement.Release(into[0].Token, TimeSpan.MaxValue) }, results, Cancellation);

        Assert.Equal([SettleResult.Settled], results);
        var due = ((SqliteBackend)backend).Store.Writer.RunAsync(ledger => ledger.Connection.QueryNumber("SELECT min(due) FROM millrace_scheduled"), Cancellation);
        Assert.InRange(StoreClock.ToDateTime((await due)!.Value), DateTimeOffset.UnixEpoch, TimeProvider.System.GetUtcNow() + backend.Queues.Capabilities.MaxDelay);
    }

    [Fact]
    public async Task AQueueWithReceiversOfAnotherStore_IsNotIdle_AndGoesWhenTheyHaveGone()
    {
        var clock = new ManualConformanceClock();
        var context = new BackendContext { TimeProvider = clock.TimeProvider };
        await using var one = await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url()), context, Cancellation);
        await using var two = (SqliteBackend)await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url()), context, Cancellation);
        var idle = TimeSpan.FromMinutes(1);
        await one.Require<IQueueAdmin>().CreateQueueAsync("q", new QueueSettings { DeleteAfterIdle = idle }, Cancellation);
        await using (await one.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation))
        {
            // In one step, so that the second store may well look before the first has renewed the time of use.
            await clock.AdvanceAsync(idle, Cancellation);
            await QueueRemoval.RemoveIdleAsync(two.Store, Cancellation);
            Assert.Contains("q", two.Store.Reader.Read(tables => tables.ListIdleCandidates().Select(queue => queue.Name).ToList()));
        }

        await clock.AdvanceAsync(idle + (2 * QueueRemoval.RefreshIntervalOf(idle)), Cancellation);
        await QueueRemoval.RemoveIdleAsync(two.Store, Cancellation);
        Assert.Empty(await two.Require<IQueueAdmin>().ListQueuesAsync(cancellationToken: Cancellation));
    }

    [Fact]
    public async Task WhereNothingIsFlushed_FencesFollowTheClock_SoThatAPowerCutRepeatsNone()
    {
        await using var backend = await OpenAsync(_folder.Url("durability=process"));
        var first = await backend.Locks!.TryAcquireAsync("a", "me", TimeSpan.FromHours(1), Cancellation);
        var store = ((SqliteBackend)backend).Store;

        // As if the power had failed before the count reached the disk.
        await store.Writer.RunAsync(
            ledger =>
            {
                ledger.Connection.Execute("UPDATE millrace_store SET fence = 0");
                ledger.Counters.Forget();
                return true;
            },
            Cancellation);
        var second = await backend.Locks.TryAcquireAsync("b", "me", TimeSpan.FromHours(1), Cancellation);
        Assert.True(second!.FencingToken > first!.FencingToken, $"The fence {second.FencingToken} came after {first.FencingToken}.");
    }

    private static async Task<Backend> OpenAsync(string url) => await SqliteBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);

    private void Execute(string sql)
    {
        NativeLibrarySetup.Ensure();
        using var connection = Connection.Open(_folder.File, create: true, busyTimeoutMs: 1000);
        connection.Execute(sql);
    }
}
