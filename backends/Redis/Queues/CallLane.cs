namespace Millrace.Redis.Queues;

/// <summary>
/// Lets concurrent calls on one queue share scripts: a call that finds nothing under way goes at once, and those that come while scripts run go together in the next one. There is no
/// artificial delay. Safe for concurrent use.
/// </summary>
/// <typeparam name="TCall">The calls.</typeparam>
/// <param name="sendAsync">Sends calls together and completes each; the list is the lane's.</param>
internal sealed class CallLane<TCall>(Func<List<TCall>, ValueTask> sendAsync)
    where TCall : LaneCall
{
    // Two, so that the server works on one while the next is being written; with more, fewer calls would share one.
    private const int MaxRunning = 2;

    // Enough for the cost of a script to be shared out; more would only make those who came first wait for those who came last.
    private const int MaxWeight = 256;
    private const int MaxBytes = 1024 * 1024;

    private readonly Lock _gate = new();
    private readonly Queue<TCall> _waiting = new();
    private readonly Stack<Run> _idle = new();
    private int _running;

    public ValueTask SendAsync(TCall call)
    {
        var task = call.Task;
        Run run;
        bool isAlone;
        lock (_gate)
        {
            _waiting.Enqueue(call);
            if (_running == MaxRunning)
            {
                return task;
            }

            isAlone = _running++ == 0;
            run = _idle.TryPop(out var idle) ? idle : new Run(this, sendAsync);
        }

        if (isAlone)
        {
            run.Execute();
        }
        else
        {
            run.Schedule();
        }

        return task;
    }

    /// <summary>Sends calls together; those that are still in the list when that fails are told.</summary>
    public static async ValueTask SendAllAsync(List<TCall> batch, Func<List<TCall>, ValueTask> sendAsync)
    {
        try
        {
            await sendAsync(batch).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever it is, the callers are told.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            foreach (var call in batch)
            {
                call.Fail(fault);
            }
        }
    }

    private bool TryTake(List<TCall> batch, Run run)
    {
        var (weight, bytes) = (0, 0);
        lock (_gate)
        {
            batch.Clear();
            while (_waiting.TryPeek(out var call) && (batch.Count == 0 || (weight + call.Weight <= MaxWeight && bytes + call.Bytes <= MaxBytes)))
            {
                _waiting.Dequeue();
                batch.Add(call);
                weight += call.Weight;
                bytes += call.Bytes;
            }

            if (batch.Count > 0)
            {
                return true;
            }

            // From here on it may be begun again by another thread, so its list is not looked at any more.
            _running--;
            _idle.Push(run);
            return false;
        }
    }

    /// <summary>Takes what has gathered and sends it, until nothing has.</summary>
    private sealed class Run(CallLane<TCall> lane, Func<List<TCall>, ValueTask> sendAsync) : IThreadPoolWorkItem
    {
        private readonly List<TCall> _batch = [];

        // To the queue that all threads share: this thread first goes on with the callers that the last answer has woken, and what these send goes with it.
        public void Schedule() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

        public void Execute()
        {
            if (lane.TryTake(_batch, this))
            {
                _ = SendAsync();
            }
        }

        private async Task SendAsync()
        {
            await SendAllAsync(_batch, sendAsync).ConfigureAwait(false);
            Schedule();
        }
    }
}
