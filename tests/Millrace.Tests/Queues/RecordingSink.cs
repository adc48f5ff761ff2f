using Millrace.Queues;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>Keeps what it is given, and lets a test wait for it. Safe for concurrent use.</summary>
internal sealed class RecordingSink : IDeliverySink
{
    private readonly Lock _gate = new();
    private readonly List<Delivery> _deliveries = [];
    private readonly List<LeaseToken> _lost = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Called with each push, before it is recorded.</summary>
    public Action<Delivery[]> Pushed { get; set; } = _ => { };

    public int[] Numbers => Array.ConvertAll(Deliveries, delivery => ScriptedQueueStore.NumberOf(delivery));

    public Delivery[] Deliveries
    {
        get
        {
            lock (_gate)
            {
                return [.. _deliveries];
            }
        }
    }

    public LeaseToken[] Lost
    {
        get
        {
            lock (_gate)
            {
                return [.. _lost];
            }
        }
    }

    public void OnDeliveries(ReadOnlySpan<Delivery> deliveries)
    {
        var pushed = deliveries.ToArray();
        Pushed(pushed);
        Change(() => _deliveries.AddRange(pushed));
    }

    public void OnLeaseLost(LeaseToken token) => Change(() => _lost.Add(token));

    /// <summary>Ends when so many deliveries have come, in all.</summary>
    public async Task<Delivery[]> ReceivedAsync(int count)
    {
        await UntilAsync(() => _deliveries.Count >= count);
        return Deliveries;
    }

    private async Task UntilAsync(Func<bool> condition)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (condition())
                {
                    return;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken);
        }
    }

    private void Change(Action change)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            change();
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }
}
