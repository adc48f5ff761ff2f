using Millrace.Sqlite.Queues;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>What is left behind by commits that failed, owners that are gone and holders that never came back.</summary>
public sealed class RecoveryTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualTimeProvider _time = new();
    private SqliteBackend _backend = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() =>
        _backend = (SqliteBackend)await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url()), new BackendContext { TimeProvider = _time }, Cancellation);

    public async ValueTask DisposeAsync()
    {
        await _backend.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task ARedriveWhoseCommitFails_SkipsNothingWhenItIsMadeAgain()
    {
        await SendAsync(4);
        await using var receiver = await _backend.Queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var into = new Delivery[4];
        Assert.Equal(4, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
        await _backend.Queues.SettleAsync("q", Array.ConvertAll(into, one => Settlement.DeadLetter(one.Token, "x")), default, Cancellation);
        var redrive = new RedriveStep("q", DeadLetterFilter.All);

        await Assert.ThrowsAsync<IOException>(async () => await _backend.Store.Writer.RunAsync<long>(
            ledger =>
            {
                redrive.Run(ledger, 2);
                throw new IOException("The disk has gone.");
            },
            Cancellation));
        var moved = 0L;
        while (!redrive.IsDone)
        {
            moved += await _backend.Store.Writer.RunAsync(ledger => redrive.Run(ledger, 2), Cancellation);
            redrive.Adopt();
        }

        Assert.Equal(4, moved);
    }

    [Fact]
    public async Task ALeaseWithoutAnOwner_HasEnded()
    {
        await SendAsync(2);
        await using var lost = await _backend.Queues.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromDays(1) }, Cancellation);
        await using var held = await _backend.Queues.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromSeconds(10) }, Cancellation);
        Assert.Equal(1, await lost.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation));
        await _backend.Store.Writer.RunAsync(
            ledger =>
            {
                ledger.Connection.Execute("UPDATE millrace_lease SET owner = 999999");
                return true;
            },
            Cancellation);
        Assert.Equal(1, await held.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(2, await held.LeaseAsync(new Delivery[2], TimeSpan.Zero, Cancellation));
    }

    private async Task SendAsync(int count) =>
        await _backend.Queues.EnqueueAsync("q", Enumerable.Range(0, count).Select(number => new Envelope(BitConverter.GetBytes(number))).ToArray(), default, Cancellation);
}
