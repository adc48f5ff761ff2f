using Millrace.Sqlite.Engine;
using Millrace.Storage;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>Full disks, files that cannot be written, other writers: transient faults that leave the store usable.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private SqliteBackend _backend = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() =>
        _backend = (SqliteBackend)await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url("busyTimeoutMs=50")), new BackendContext(), Cancellation);

    public async ValueTask DisposeAsync()
    {
        await _backend.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task AFullDisk_FailsWhatDoesNotFit_AndNothingElse()
    {
        await SendAsync("before", 10);
        await ExecuteAsync("PRAGMA max_page_count = 60");
        var small = Enumerable.Range(0, 8).Select(number => SendAsync($"small {number}", 10)).ToList();
        var large = SendAsync("large", 1_000_000);

        var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => large);
        await Task.WhenAll(small);

        Assert.True(error.IsTransient);
        Assert.False(error.MayHaveBeenApplied);
        Assert.Contains("full", error.Message, StringComparison.Ordinal);
        await ExecuteAsync("PRAGMA max_page_count = 1000000");
        await SendAsync("large", 1_000_000);
        Assert.Equal(10, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task ADamagedPlace_FailsWhoMeetsIt_WithNothingHalfDone_AndNobodyElse()
    {
        await SendAsync("before", 10);
        var small = Enumerable.Range(0, 8).Select(number => SendAsync($"small {number}", 10)).ToList();
        var damaged = _backend.Store.Writer.RunAsync<bool>(
            ledger =>
            {
                ledger.Connection.Execute("UPDATE millrace_store SET revision = 12345");
                throw new StorageCorruptException("a page is damaged");
            },
            Cancellation).AsTask();
        small.AddRange(Enumerable.Range(0, 8).Select(number => SendAsync($"later {number}", 10)));

        await Assert.ThrowsAsync<StorageCorruptException>(() => damaged);
        await Task.WhenAll(small);
        Assert.Equal(17, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
        Assert.Equal(0, _backend.Store.Reader.Read(tables => tables.ReadRevision()));
    }

    [Fact]
    public async Task AFileThatBecomesReadOnly_FailsWrites_AndReadsGoOn()
    {
        await SendAsync("before", 10);
        await ExecuteAsync("PRAGMA query_only = 1");
        var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => SendAsync("during", 10));
        Assert.False(error.MayHaveBeenApplied);
        Assert.Equal(1, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);

        // Behind the writer's back: with the setting, nothing goes through the writer any more.
        _backend.Store.Writer.Ledger.Connection.Execute("PRAGMA query_only = 0");
        await SendAsync("after", 10);
        Assert.Equal(2, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task AFileLockedByAnotherWriter_IsATransientError_AndWorksAfterwards()
    {
        using (var other = Connection.Open(_folder.File, create: false, busyTimeoutMs: 1000))
        {
            other.Begin();
            var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => SendAsync("during", 10));
            Assert.True(error.IsTransient);
            Assert.Contains("busyTimeoutMs", error.Message, StringComparison.Ordinal);
            var health = await _backend.Health.ProbeAsync(Cancellation);
            Assert.False(health.IsHealthy);
            Assert.Contains("locked", health.Error, StringComparison.Ordinal);
            other.Rollback();
        }

        await SendAsync("after", 10);
        Assert.True((await _backend.Health.ProbeAsync(Cancellation)).IsHealthy);
    }

    private async Task SendAsync(string text, int size)
    {
        var body = new byte[size];
        System.Text.Encoding.UTF8.GetBytes(text, body);
        await _backend.Queues.EnqueueAsync("q", new Envelope[] { new(body) }, default, Cancellation);
    }

    private async Task ExecuteAsync(string pragma) => await _backend.Store.Writer.RunAsync(
        ledger =>
        {
            ledger.Connection.Execute(pragma);
            return true;
        },
        Cancellation,
        needsFlush: true);
}
