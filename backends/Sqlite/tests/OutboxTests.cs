using Microsoft.Data.Sqlite;
using Millrace.Sqlite.Engine;
using Millrace.Storage;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>Messages inside the application's own transaction.</summary>
public sealed class OutboxTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private SqliteBackend _backend = null!;
    private SqliteConnection _connection = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private IQueueStore Queues => _backend.Queues;

    public async ValueTask InitializeAsync()
    {
        _backend = (SqliteBackend)await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url("busyTimeoutMs=200")), new BackendContext(), Cancellation);
        _connection = new SqliteConnection($"Data Source={_folder.File};Pooling=false");
        await _connection.OpenAsync(Cancellation);
        Execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)");
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _backend.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task TheMessage_IsVisibleWhenTheTransactionCommits_AndWakesAWaitingReceiver()
    {
        await using var receiver = await Queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var into = new Delivery[1];
        var waiting = receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        var results = new EnqueueResult[1];
        using (var transaction = _connection.BeginTransaction())
        {
            Execute("INSERT INTO orders (id) VALUES (1)", transaction);
            Queues.Enqueue(transaction, "q", [new Envelope("hello"u8.ToArray()) { Id = "order-1" }], results);
            transaction.Commit();
        }

        Assert.Equal(1, await waiting.WaitAsync(TestScale.Patience, Cancellation));
        Assert.Equal((new MessageId("order-1"), EnqueueOutcome.Stored), (results[0].Id, results[0].Outcome));
        Assert.Equal("hello"u8.ToArray(), into[0].Message.Body.ToArray());
    }

    [Fact]
    public async Task ADeferredTransaction_WaitsForTheWriterBeforeIt_AndKeepsItsOwnSettings()
    {
        await using var backend = await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url("busyTimeoutMs=30000")), new BackendContext(), Cancellation);
        using var other = Connection.Open(_folder.File, create: false, busyTimeoutMs: 1000);
        using var transaction = _connection.BeginTransaction(deferred: true);
        using var begun = new ManualResetEventSlim();
        other.Begin();
        other.Execute("INSERT INTO orders (id) VALUES (1)");
        var enqueue = Task.Run(
            () =>
            {
                begun.Set();
                backend.Queues!.Enqueue(transaction, "q", [new Envelope("patient"u8.ToArray())]);
            },
            Cancellation);
        begun.Wait(Cancellation);
        Assert.NotSame(enqueue, await Task.WhenAny(enqueue, Task.Delay(50, Cancellation)));
        other.Commit();

        await enqueue;
        transaction.Commit();
        Assert.Equal(1, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
        using var command = _connection.CreateCommand();
        command.CommandText = "PRAGMA busy_timeout";
        Assert.Equal(0L, command.ExecuteScalar());
    }

    [Fact]
    public async Task RollingBack_TakesTheMessageWithIt()
    {
        using (var transaction = _connection.BeginTransaction())
        {
            Queues.Enqueue(transaction, "q", [new Envelope("never"u8.ToArray())]);
            transaction.Rollback();
        }

        Assert.Empty(await _backend.Require<IQueueAdmin>().ListQueuesAsync(cancellationToken: Cancellation));
    }

    [Fact]
    public async Task ARefusal_LeavesTheTransactionUsable()
    {
        await _backend.Require<IQueueAdmin>().CreateQueueAsync("q", new QueueSettings { MaxLength = 1 }, Cancellation);
        using (var transaction = _connection.BeginTransaction())
        {
            Queues.Enqueue(transaction, "q", [new Envelope("fits"u8.ToArray())]);
            Assert.Throws<QueueFullException>(() => Queues.Enqueue(transaction, "q", [new Envelope("does not"u8.ToArray())]));
            Assert.Throws<InvalidMessageException>(() => Queues.Enqueue(transaction, "q", [new Envelope("x"u8.ToArray()) { Priority = 12 }]));
            Execute("INSERT INTO orders (id) VALUES (2)", transaction);
            transaction.Commit();
        }

        Assert.Equal(1, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task AnOrdinaryCallInsideTheTransaction_IsRefusedAtOnce_AndWorksAfterIt()
    {
        using (var transaction = _connection.BeginTransaction())
        {
            Queues.Enqueue(transaction, "q", [new Envelope("1"u8.ToArray())]);
            var error = await Assert.ThrowsAsync<InvalidOperationException>(async () => await SendAsync());
            Assert.Contains("wait for itself", error.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await _backend.State.PutAsync("k", default, null, Cancellation));
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await _backend.Locks.TryAcquireAsync("k", "o", TimeSpan.FromSeconds(1), Cancellation));
            transaction.Commit();
        }

        await SendAsync();
        Assert.Equal(2, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task AnotherFlow_WaitsForTheTransaction_AndGoesOnAfterIt()
    {
        Task other;
        using (var transaction = _connection.BeginTransaction())
        {
            using (ExecutionContext.SuppressFlow())
            {
                Execute("INSERT INTO orders (id) VALUES (3)", transaction);
                other = Task.Run(SendAsync, Cancellation);
            }

            Queues.Enqueue(transaction, "q", [new Envelope("1"u8.ToArray())]);
            transaction.Commit();
        }

        await other;
        Assert.Equal(2, (await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task ACallThatHidesItsFlow_FailsAfterTheBusyTimeout_AndIsToldWhy()
    {
        using var transaction = _connection.BeginTransaction();
        Queues.Enqueue(transaction, "q", [new Envelope("1"u8.ToArray())]);
        Task hidden;
        using (ExecutionContext.SuppressFlow())
        {
            hidden = Task.Run(SendAsync, Cancellation);
        }

        var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => hidden);
        Assert.Contains("SqliteTransaction", error.Message, StringComparison.Ordinal);
        transaction.Rollback();
    }

    [Fact]
    public void WrongTransactions_AreRefused()
    {
        var ended = _connection.BeginTransaction();
        ended.Rollback();
        Assert.Contains("has ended", Assert.Throws<ArgumentException>(() => Queues.Enqueue(ended, "q", [new Envelope("1"u8.ToArray())])).Message, StringComparison.Ordinal);

        using var elsewhere = new SqliteConnection($"Data Source={_folder.File}-other;Pooling=false");
        elsewhere.Open();
        using var foreign = elsewhere.BeginTransaction();
        Assert.Contains("one file", Assert.Throws<ArgumentException>(() => Queues.Enqueue(foreign, "q", [new Envelope("1"u8.ToArray())])).Message, StringComparison.Ordinal);
    }

    private async Task SendAsync() => await Queues.EnqueueAsync("q", new Envelope[] { new("ordinary"u8.ToArray()) }, default, Cancellation);

    private void Execute(string sql, SqliteTransaction? transaction = null)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = transaction;
        command.ExecuteNonQuery();
    }
}
