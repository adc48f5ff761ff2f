using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Queues;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>A worker never goes on with fewer handlers than it was given, whatever fails around one of them.</summary>
public sealed class QueueWorkerSlotTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TestScale.Patience;
    private static readonly TimeSpan Attempt = TimeSpan.FromMinutes(17);

    private readonly ScriptedQueueStore _store = new();

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Theory]
    [InlineData(0.5)]
    [InlineData(49 * 24 * 3_600_000.0 + 1)]
    public void An_attempt_timeout_that_no_timer_takes_is_refused(double milliseconds)
    {
        var options = new QueueWorkerOptions { AttemptTimeout = TimeSpan.FromMilliseconds(milliseconds) };

        var refused = Assert.Throws<MillraceConfigurationException>(options.Validate);

        Assert.Contains("AttemptTimeout must be 1 ms to 49 days", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_attempt_that_cannot_begin_has_failed_and_the_next_one_is_handled()
    {
        await using var dispatchers = new QueueDispatchers(_store, null, new FailingTimers(Attempt));
        await using var worker = await StartAsync(dispatchers, _ => HandlingResult.Complete, new QueueWorkerOptions
        {
            Concurrency = 1,
            AttemptTimeout = Attempt,
            RetryPolicy = RetryPolicy.None,
        });
        _store.Send(2);

        await _store.UntilAsync(store => store is { Dead.Count: 1, Completed.Count: 1 });

        Assert.Contains("no more timers", _store.Dead[0].Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_that_cannot_be_described_is_a_failure_all_the_same()
    {
        await using var dispatchers = new QueueDispatchers(_store);
        await using var worker = await StartAsync(
            dispatchers,
            number => number == 0 ? throw new UnspeakableException() : HandlingResult.Complete,
            new QueueWorkerOptions { Concurrency = 1, RetryPolicy = RetryPolicy.None });
        _store.Send(2);

        await _store.UntilAsync(store => store is { Dead.Count: 1, Completed.Count: 1 });

        Assert.Contains("cannot say", _store.Dead[0].Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_slot_that_dies_ends_the_worker_with_its_fault_and_holds_nothing()
    {
        using var log = new FailingLog();
        await using var dispatchers = new QueueDispatchers(_store, null, null, log);
        await using var worker = await StartAsync(
            dispatchers,
            number => number == 0 ? throw new InvalidDataException("broken") : HandlingResult.Complete,
            new QueueWorkerOptions { Concurrency = 2 });
        _store.Send(1);

        var fault = await Assert.ThrowsAsync<IOException>(() => worker.Completion.WaitAsync(Patience, Ending));

        Assert.Equal("the log is full", fault.Message);
        Assert.Equal(0, _store.LeasedCount);
        Assert.Equal(0, _store.OpenReceivers);
    }

    private static async Task<QueueWorker> StartAsync(QueueDispatchers dispatchers, Func<int, HandlingResult> handle, QueueWorkerOptions options)
    {
        var worker = new QueueWorker(dispatchers, "q", (delivery, _) => new(handle(ScriptedQueueStore.NumberOf(delivery))), options);
        await worker.StartAsync(Ending).WaitAsync(Patience, Ending);
        return worker;
    }

    private sealed class UnspeakableException : Exception
    {
        public override string Message => throw new InvalidOperationException("cannot say");
    }

    /// <summary>Has no timer for the first who asks for a certain time.</summary>
    private sealed class FailingTimers(TimeSpan time) : TimeProvider
    {
        private int _failed;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            dueTime == time && Interlocked.Exchange(ref _failed, 1) == 0
                ? throw new IOException("no more timers")
                : base.CreateTimer(callback, state, dueTime, period);
    }

    /// <summary>Fails to log what a handler threw.</summary>
    private sealed class FailingLog : ILoggerFactory, ILogger
    {
        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => categoryName == "Millrace.Queues.Worker" ? this : NullLogger.Instance;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (exception is InvalidDataException)
            {
                throw new IOException("the log is full");
            }
        }

        public void Dispose()
        {
        }
    }
}
