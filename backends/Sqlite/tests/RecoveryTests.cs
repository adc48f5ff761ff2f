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

    [Fact]
    public async Task ALookThatFailed_HoldsUpNoOther()
    {
        await SendAsync(1);
        Assert.Throws<IOException>(() => _backend.Store.Reader.Read<int>(tables =>
        {
            tables.FindQueue("q");
            foreach (var statement in _backend.Store.Reader.Connection.Statements.Where(one => one.Sql.Contains("count(*)", StringComparison.Ordinal)))
            {
                statement.Step();
            }

            _backend.Store.Reader.Connection.Execute("ROLLBACK");
            throw new IOException("The disk has gone.");
        }));

        await SendAsync(1);
        Assert.Equal(2, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task LocksThatWereNeverReleased_AreForgotten()
    {
        var locks = _backend.Require<ILockStore>();
        for (var i = 0; i < 20; i++)
        {
            Assert.NotNull(await locks.TryAcquireAsync($"short {i}", "me", TimeSpan.FromSeconds(1), Cancellation));
        }

        Assert.NotNull(await locks.TryAcquireAsync("long", "me", TimeSpan.FromDays(1), Cancellation));
        _time.Advance(TimeSpan.FromSeconds(2));
        for (var i = 0; i < 10; i++)
        {
            Assert.NotNull(await locks.TryAcquireAsync("other", "me", TimeSpan.FromSeconds(1), Cancellation));
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(2, await CountAsync("SELECT count(*) FROM millrace_lock"));
        Assert.NotNull(await locks.InspectAsync("long", Cancellation));
    }

    [Fact]
    public async Task QueuesWithoutReceivers_AreForgottenByTheWaiters()
    {
        var before = _backend.Store.Signals.QueueCount;
        for (var i = 0; i < 10; i++)
        {
            await using var receiver = await _backend.Queues.OpenReceiverAsync($"q{i}", new ReceiverOptions(), Cancellation);
            Assert.Equal(0, await receiver.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation));
            Assert.Equal(before + 1, _backend.Store.Signals.QueueCount);
        }

        Assert.Equal(before, _backend.Store.Signals.QueueCount);
    }

    [Fact]
    public async Task RememberedIds_GoWhenTheirWindowIsClosed()
    {
        var admin = _backend.Require<IQueueAdmin>();
        await admin.CreateQueueAsync("q", new QueueSettings(), Cancellation);
        await using var receiver = await _backend.Queues.OpenReceiverAsync("q", new ReceiverOptions { SettleOnLease = true }, Cancellation);
        await PassAsync(receiver, "a", 50);
        Assert.Equal(50, await CountAsync("SELECT count(*) FROM millrace_remembered"));

        await admin.UpdateSettingsAsync("q", new QueueSettings { DedupWindow = TimeSpan.Zero }, Cancellation);
        await PassAsync(receiver, "b", 25);

        Assert.Equal(0, await CountAsync("SELECT count(*) FROM millrace_remembered"));
        Assert.Equal(0, await CountAsync("SELECT count(*) FROM millrace_ident"));
    }

    [Fact]
    public async Task MoreThanOneGoMoves_BecomesDueInItsPlace_AndExpiresBeforeALook()
    {
        const int Count = Calendar.MaxMoves + 1000;
        var delayed = Enumerable.Range(0, Count).Select(_ => new Envelope(new byte[1]) { Delay = TimeSpan.FromSeconds(1) }).ToArray();
        await _backend.Queues.EnqueueAsync("q", delayed, default, Cancellation);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _backend.Queues.EnqueueAsync("q", new Envelope[] { new(new byte[2]) }, default, Cancellation);
        await using var receiver = await _backend.Queues.OpenReceiverAsync("q", new ReceiverOptions { SettleOnLease = true }, Cancellation);
        await DrainAsync(receiver, Count);
        var late = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(late, TimeSpan.Zero, Cancellation));
        Assert.Equal(2, late[0].Message.Body.Length);

        var expiring = Enumerable.Range(0, 3 * Count).Select(_ => new Envelope(new byte[1]) { TimeToLive = TimeSpan.FromSeconds(1) }).ToArray();
        await _backend.Queues.EnqueueAsync("q", expiring, default, Cancellation);
        await _backend.Queues.EnqueueAsync("q", new Envelope[] { new(new byte[2]) }, default, Cancellation);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, await receiver.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation));
    }

    /// <summary>Takes so many messages of one byte.</summary>
    private static async Task DrainAsync(IQueueReceiver receiver, int count)
    {
        var into = new Delivery[100];
        for (var total = 0; total < count; total += into.Length)
        {
            Assert.Equal(into.Length, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
            Assert.All(into, one => Assert.Equal(1, one.Message.Body.Length));
        }
    }

    private async Task PassAsync(IQueueReceiver receiver, string name, int count)
    {
        await _backend.Queues.EnqueueAsync("q", Enumerable.Range(0, count).Select(i => new Envelope(new byte[1]) { Id = $"{name}{i}" }).ToArray(), default, Cancellation);
        Assert.Equal(count, await receiver.LeaseAsync(new Delivery[count], TimeSpan.Zero, Cancellation));
    }

    private async Task<long> CountAsync(string sql) => await _backend.Store.Writer.RunAsync(ledger => ledger.Connection.QueryNumber(sql) ?? 0, Cancellation);

    private async Task SendAsync(int count) =>
        await _backend.Queues.EnqueueAsync("q", Enumerable.Range(0, count).Select(number => new Envelope(BitConverter.GetBytes(number))).ToArray(), default, Cancellation);
}
