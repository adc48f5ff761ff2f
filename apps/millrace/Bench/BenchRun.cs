using Microsoft.Extensions.Logging;
using Millrace.App.Output;
using Millrace.Queues;
using Millrace.Storage;

namespace Millrace.App.Bench;

/// <summary>
/// One measurement: makes the queue, warms up, measures, checks that everything came once, and takes the queue away again, also when it fails or is told to stop.
/// </summary>
internal sealed class BenchRun(IQueueStore store, IQueueAdmin admin, BenchPlan plan, CliContext context, ILoggerFactory log) : IDisposable
{
    private const int LeastLeaseBatch = 256;

    private static readonly TimeSpan CheckInterval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan CleanUpTime = TimeSpan.FromSeconds(15);

    private readonly TimeProvider _timeProvider = context.TimeProvider;
    private readonly BenchLedger _ledger = new(plan, context.TimeProvider);
    private readonly long _run = Random.Shared.NextInt64();

    public async Task<BenchResult> RunAsync(CancellationToken cancellationToken)
    {
        var isCreated = await admin.CreateQueueAsync(plan.Queue, QueueSettings.Default, cancellationToken);
        if (!isCreated)
        {
            await RequireEmptyAsync(cancellationToken);
        }

        var isOurs = true;
        try
        {
            return await MeasureAsync(cancellationToken);
        }
        catch (QueueInUseException)
        {
            isOurs = false;
            throw;
        }
        finally
        {
            if (isOurs)
            {
                await CleanUpAsync(isCreated);
            }
        }
    }

    public void Dispose() => _ledger.Dispose();

    private async Task RequireEmptyAsync(CancellationToken cancellationToken)
    {
        var stats = await admin.GetStatsAsync(plan.Queue, cancellationToken);
        var messages = stats.Ready + stats.Scheduled + stats.Leased + stats.Dead;
        if (messages > 0)
        {
            throw new UsageException(
                $"Queue '{plan.Queue}' has {MessageText.Count(messages)} messages, {MessageText.Count(stats.Dead)} of them dead letters: "
                + "bench measures on an empty queue only. Name another one, or none.");
        }
    }

    private async Task<BenchResult> MeasureAsync(CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var options = new QueueDispatcherOptions { MaxBatch = Math.Max(LeastLeaseBatch, plan.Batch) };
        await using var dispatchers = new QueueDispatchers(store, options, _timeProvider, log);
        var workers = Enumerable.Range(0, plan.Workers).Select(_ => new BenchWorker(plan, _ledger, _run, _timeProvider)).ToArray();
        var senders = Enumerable.Range(0, plan.Senders).Select(_ => new BenchSender(store, plan, _ledger, _run, _timeProvider)).ToArray();
        var consumers = Array.ConvertAll(workers, worker => dispatchers.Get(plan.Queue).AddConsumer(worker, new DispatchConsumerOptions { Credit = worker.Credit }));
        var working = workers.Zip(consumers, (worker, consumer) => Task.Run(() => worker.RunAsync(consumer, ending.Token), CancellationToken.None)).ToArray();

        // None of these ends before it is told to, but by a fault.
        var faults = Task.WhenAny([.. working, .. consumers.Select(consumer => consumer.Completion)]).Unwrap();
        try
        {
            await consumers[0].Opened.WaitAsync(cancellationToken);
            var warmUp = await RunPhaseAsync(senders, plan.WarmUp, 0, faults, ending.Token);
            _ledger.MeasuredFrom = warmUp.End;
            await SayAsync(plan.Measured);
            var measured = await RunPhaseAsync(senders, plan.Measured, warmUp.End, faults, ending.Token);
            return ToResult(warmUp, measured, workers);
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(working).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await Task.WhenAll(Array.ConvertAll(consumers, consumer => consumer.DisposeAsync().AsTask()));
        }
    }

    private async Task<SendPhase> RunPhaseAsync(BenchSender[] senders, BenchLoad load, long first, Task faults, CancellationToken ending)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ending);
        var phase = new SendPhase(plan, load, first, _timeProvider);
        using var pacer = plan.Rate is { } rate ? new Pacer(phase, plan, rate, _timeProvider) : null;
        var sending = Task.WhenAll(Array.ConvertAll(senders, sender => Task.Run(() => SendAsync(sender), CancellationToken.None)));
        try
        {
            await (await Task.WhenAny(sending, faults));
            await DrainAsync(faults, ending);
            return phase;
        }
        finally
        {
            await stop.CancelAsync();
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task SendAsync(BenchSender sender)
        {
            try
            {
                await sender.RunAsync(phase, pacer, stop.Token);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                // The others would go on until their load is sent.
                await stop.CancelAsync();
                throw;
            }
        }
    }

    // Until everything has come, or nothing more does.
    private async Task DrainAsync(Task faults, CancellationToken cancellationToken)
    {
        var progress = _ledger.Progress;
        var since = _timeProvider.GetTimestamp();
        while (!_ledger.IsComplete && _timeProvider.GetElapsedTime(since) < plan.Patience)
        {
            await (await Task.WhenAny(Task.Delay(CheckInterval, _timeProvider, cancellationToken), faults));
            if (_ledger.Progress != progress)
            {
                (progress, since) = (_ledger.Progress, _timeProvider.GetTimestamp());
            }
        }
    }

    private BenchResult ToResult(SendPhase warmUp, SendPhase measured, BenchWorker[] workers)
    {
        var latencies = new LatencyHistogram();
        Array.ForEach(workers, worker => latencies.Add(worker.Latencies));
        return new BenchResult
        {
            Plan = plan,
            Capabilities = store.Capabilities,
            WarmUpMessages = warmUp.Acknowledged,
            Sent = measured.Acknowledged,
            SendTime = measured.SendTime,
            Cycled = latencies.Count,
            CycleTime = _timeProvider.GetElapsedTime(measured.Start, Math.Max(measured.Start, _ledger.LastSettledAt)),
            P50 = ToTime(latencies.At(0.5)),
            P99 = ToTime(latencies.At(0.99)),
            P999 = ToTime(latencies.At(0.999)),
            Max = ToTime(latencies.Max),
            Errors = _ledger.Errors,
            Uncertain = _ledger.Uncertain,
            Acknowledged = _ledger.Acknowledged,
            Duplicates = _ledger.Duplicates,
            Lost = _ledger.CountMissing(),
        };
    }

    private TimeSpan ToTime(long timestamps) => _timeProvider.GetElapsedTime(0, timestamps);

    private async Task SayAsync(BenchLoad load)
    {
        if (context.IsErrorTerminal)
        {
            await context.Error.WriteLineAsync(
                load.Messages is { } messages ? $"Measuring {MessageText.Count(messages)} messages." : $"Measuring for {MessageText.Duration(load.Time)}.");
        }
    }

    // Not cancelled with the run, which may be why it ends; but not for ever either.
    private async Task CleanUpAsync(bool isCreated)
    {
        using var limit = new CancellationTokenSource(CleanUpTime, _timeProvider);
        try
        {
            if (isCreated)
            {
                await admin.DeleteQueueAsync(plan.Queue, limit.Token);
            }
            else
            {
                await admin.PurgeAsync(plan.Queue, limit.Token);
            }
        }
        catch (Exception exception) when (exception is MillraceException or OperationCanceledException)
        {
            var advice = isCreated ? $"queue delete '{plan.Queue}' --force" : $"queue purge '{plan.Queue}' --all";
            await context.Error.WriteLineAsync(
                $"millrace: Queue '{plan.Queue}' could not be cleaned up ({exception.Message.ReplaceLineEndings(" ")}); do it with: millrace {advice}");
        }
    }
}
