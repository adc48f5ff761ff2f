using Millrace.Storage;

namespace Millrace.App.Bench;

/// <summary>One of the senders: it sends batch after batch, each when the one before is acknowledged, or when it is called.</summary>
internal sealed class BenchSender
{
    private static readonly TimeSpan PauseAfterError = TimeSpan.FromMilliseconds(100);

    private readonly IQueueStore _store;
    private readonly BenchPlan _plan;
    private readonly BenchLedger _ledger;
    private readonly TimeProvider _timeProvider;
    private readonly long _run;
    private readonly byte[][] _bodies;
    private readonly Envelope[] _envelopes;

    public BenchSender(IQueueStore store, BenchPlan plan, BenchLedger ledger, long run, TimeProvider timeProvider)
    {
        (_store, _plan, _ledger, _run, _timeProvider) = (store, plan, ledger, run, timeProvider);
        _bodies = new byte[plan.Batch][];
        _envelopes = new Envelope[plan.Batch];
        for (var i = 0; i < _bodies.Length; i++)
        {
            _bodies[i] = new byte[plan.Size];
            Random.Shared.NextBytes(_bodies[i]);
            _envelopes[i] = new Envelope(_bodies[i]);
        }
    }

    /// <summary>Sends until the phase has no more.</summary>
    /// <param name="phase">The phase.</param>
    /// <param name="pacer">Calls for each batch; null: there is no given rate.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RunAsync(SendPhase phase, Pacer? pacer, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (pacer is not null)
            {
                await pacer.WaitAsync(cancellationToken);
            }

            if (!phase.TryTake(out var first, out var count))
            {
                return;
            }

            await _ledger.EnterWindowAsync(cancellationToken);
            for (var i = 0; i < count; i++)
            {
                var timestamp = _plan.Rate is { } rate ? phase.DueAt(first, rate) : _timeProvider.GetTimestamp();
                new BenchMessage(_run, first + i, timestamp).Write(_bodies[i]);
            }

            try
            {
                await _store.EnqueueAsync(_plan.Queue, _envelopes.AsMemory(0, count), default, cancellationToken);
                _ledger.Acknowledge(count);
                phase.Acknowledge(count);
            }
            catch (MillraceException exception) when (exception.IsTransient && _ledger.Fail(first, count, exception))
            {
                await Task.Delay(PauseAfterError, _timeProvider, cancellationToken);
            }
        }
    }
}
