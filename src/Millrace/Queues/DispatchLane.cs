using System.Numerics;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// One way of leasing from one queue (normally, or settled on lease): the loop that turns free credit into deliveries, and the receivers that it uses. It lives from its
/// first consumer to its last. Safe for concurrent use.
/// </summary>
internal sealed partial class DispatchLane : IAsyncDisposable
{
    private readonly IQueueStore _store;
    private readonly BackgroundLoop _loop;
    private readonly Action<DispatchLane> _onClosed;
    private readonly AsyncSignal _creditArrived = new();
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _closing = new();
    private readonly Lazy<Task> _closed;
    private readonly Lock _gate = new();

    // Guarded by _gate: sessions that still have open deliveries after their receiver failed, returns that are being retried, and the wait of the loop.
    private readonly List<ReceiverSession> _retired = [];
    private readonly HashSet<Task> _background = [];
    private CancellationTokenSource _wait = new();
    private bool _isLeasing;
    private int _settlesRunning;
    private TaskCompletionSource? _settled;

    // Touched by the loop only.
    private Delivery[] _buffer = [];
    private readonly Queue<Delivery> _undealt = new();
    private ReceiverSession? _session;

    public DispatchLane(IQueueStore store, string queue, bool settleOnLease, DispatchEnvironment environment, Action<DispatchLane> onClosed)
    {
        _store = store;
        _onClosed = onClosed;
        Queue = queue;
        SettleOnLease = settleOnLease;
        Options = environment.Options;
        TimeProvider = environment.TimeProvider;
        Logger = environment.Logger;
        Ledger = new DispatchLedger(settleOnLease);
        _closed = new Lazy<Task>(() => Task.Run(CloseOnceAsync));
        _loop = new BackgroundLoop(
            $"dispatch of queue '{queue}'",
            RunAsync,
            new BackgroundLoopOptions { RestartAfterCrash = false, TimeProvider = TimeProvider, Logger = Logger });
    }

    public string Queue { get; }

    public bool SettleOnLease { get; }

    public QueueDispatcherOptions Options { get; }

    public TimeProvider TimeProvider { get; }

    public ILogger Logger { get; }

    public DispatchLedger Ledger { get; }

    /// <summary>Ends when the first receiver is open; fails when it cannot be.</summary>
    public Task Opened => _opened.Task;

    /// <summary>The longest wait of one lease call. The lease is counted from before the call, so a wait eats into it: a sixth, so that a renewal a third later is early enough.</summary>
    private TimeSpan MaxWait => Options.LeaseDuration / 6;

    public long ToTicks(TimeSpan time) => (long)(time.TotalSeconds * TimeProvider.TimestampFrequency);

    public void Start() => _loop.Start();

    /// <summary>Acts on a change of the free credit: more of it wakes the loop; when none is left, a waiting lease call is cut short.</summary>
    public void OnCreditChanged(long change)
    {
        if (change > 0)
        {
            _creditArrived.Set();
        }
        else if (change < 0 && Ledger.FreeCredit == 0)
        {
            CutWait(onlyWithoutCredit: true);
        }
    }

    /// <summary>Gives deliveries back to the store. One try is awaited; a transient fault is repeated in the background while the lane lives.</summary>
    public async ValueTask ReturnAsync(ReadOnlyMemory<Settlement> batch)
    {
        if (batch.IsEmpty || await TryReturnAsync(batch).ConfigureAwait(false))
        {
            return;
        }

        RunInBackground(async () =>
        {
            var backoff = new Backoff(Options.RetryDelay, Options.MaxRetryDelay);
            do
            {
                await Task.Delay(backoff.Next(), TimeProvider, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            while (!_closing.IsCancellationRequested && !await TryReturnAsync(batch).ConfigureAwait(false));
        });
    }

    /// <summary>A renewal has succeeded, except for the refused tokens.</summary>
    public void Renewed(ReceiverSession session, long upToSerial, long basis, IReadOnlyList<LeaseToken> refused)
    {
        var lost = new List<LostLease>();
        Ledger.EndRenewal(session, upToSerial, basis, refused, lost);
        Announce(lost);
        CloseIdleRetired();
    }

    /// <summary>What was not renewed since <paramref name="oldestBasis"/> is lost; the store is asked to take it back, because it may have renewed what it did not confirm.</summary>
    public void ExpireLeases(ReceiverSession session, long oldestBasis)
    {
        var lost = new List<LostLease>();
        var expired = new List<Settlement>();
        Ledger.Expire(session, oldestBasis, lost, expired);
        if (expired.Count == 0)
        {
            return;
        }

        Logger.LeasesExpired(expired.Count, Queue);
        Announce(lost);
        RunInBackground(() => ReturnAsync(expired.ToArray()).AsTask());
        CloseIdleRetired();
    }

    /// <summary>A consumer has gone. The last one takes the lane with it.</summary>
    public Task LeaveAsync(DispatchConsumer consumer) => Ledger.Leave(consumer) ? _closed.Value : Task.CompletedTask;

    /// <summary>Stops leasing for good. The task ends when no delivery is with a consumer.</summary>
    public Task StopLeasing()
    {
        var idle = Ledger.StopLeasing();
        CutWait(onlyWithoutCredit: false);
        return idle;
    }

    /// <summary>Ends the loop and closes the receivers, which gives back what is open. Consumers are closed first by their owners.</summary>
    public ValueTask DisposeAsync() => new(_closed.Value);

    private async Task CloseOnceAsync()
    {
        Ledger.CloseToNewcomers();
        Observe(_closing.CancelAsync());
        var stopping = _loop.StopAsync(TimeSpan.FromSeconds(5));
        CutWait(onlyWithoutCredit: false);
        _creditArrived.Set();
        await stopping.ConfigureAwait(false);
        await SettlesEndAsync().ConfigureAwait(false);
        while (TakeUnfinished() is { Length: > 0 } unfinished)
        {
            await Task.WhenAll(unfinished).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (_session is not null)
        {
            await _session.DisposeAsync().ConfigureAwait(false);
        }

        if (_undealt.Count > 0)
        {
            Logger.SettledDeliveriesDropped(_undealt.Count, Queue);
        }

        _opened.TrySetCanceled();
        _onClosed(this);
    }

    /// <summary>What must end before the lane has: background work, and the closing of sessions that were retired.</summary>
    private Task[] TakeUnfinished()
    {
        lock (_gate)
        {
            Task[] unfinished = [.. _background, .. _retired.ConvertAll(session => session.DisposeAsync().AsTask())];
            _retired.Clear();
            return unfinished;
        }
    }

    private async Task RunAsync(LoopTokens tokens)
    {
        var backoff = new Backoff(Options.RetryDelay, Options.MaxRetryDelay);
        while (!tokens.Draining.IsCancellationRequested)
        {
            try
            {
                _session ??= await OpenAsync(tokens.Draining).ConfigureAwait(false);
                await LeaseOnceAsync(_session, tokens.Draining).ConfigureAwait(false);
                backoff.Reset();
            }
            catch (OperationCanceledException) when (tokens.Draining.IsCancellationRequested)
            {
                return;
            }
            catch (MillraceException exception) when (exception.IsTransient)
            {
                var delay = backoff.Next();
                Logger.DispatchRetries(exception, Queue, delay, backoff.Failures);
                RetireSession();
                await Task.Delay(delay, TimeProvider, tokens.Draining).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception exception)
            {
                // Leases that are out stay renewed until the consumers, who now hear of it, have left.
                Logger.DispatchFailed(exception, Queue);
                Fault(exception);
                return;
            }
        }
    }

    private async Task<ReceiverSession> OpenAsync(CancellationToken cancellationToken)
    {
        var options = new ReceiverOptions { LeaseDuration = Options.LeaseDuration, SettleOnLease = SettleOnLease };
        var receiver = await _store.OpenReceiverAsync(Queue, options, cancellationToken).ConfigureAwait(false);
        _opened.TrySetResult();
        return new ReceiverSession(this, receiver);
    }

    // Once a batch: its state is reused.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask LeaseOnceAsync(ReceiverSession session, CancellationToken stop)
    {
        DealUndealt(session);
        if (!TryBeginWait(out var want, out var wait))
        {
            await _creditArrived.WaitAsync().ConfigureAwait(false);
            return;
        }

        int count;
        var basis = TimeProvider.GetTimestamp();
        try
        {
            count = await session.Receiver.LeaseAsync(_buffer.AsMemory(0, want), MaxWait, wait).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (wait.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            return;
        }
        finally
        {
            lock (_gate)
            {
                _isLeasing = false;
            }
        }

        var left = Deal(session, _buffer.AsSpan(0, count), basis);
        await KeepOrReturnAsync(_buffer.AsMemory(count - left, left)).ConfigureAwait(false);
        Array.Clear(_buffer, 0, count);
    }

    /// <summary>How many to lease now, and the token that ends the wait. False when there is no credit.</summary>
    private bool TryBeginWait(out int want, out CancellationToken wait)
    {
        lock (_gate)
        {
            if (_wait.IsCancellationRequested)
            {
                _wait = new CancellationTokenSource();
            }

            wait = _wait.Token;
            want = _closing.IsCancellationRequested ? 0 : (int)Math.Min(Options.MaxBatch, Ledger.FreeCredit);
            if (_buffer.Length < want)
            {
                // As large as the credit asks for: lanes whose consumers take one message at a time are many.
                _buffer = new Delivery[(int)Math.Min(Options.MaxBatch, BitOperations.RoundUpToPowerOf2((uint)want))];
            }

            return _isLeasing = want > 0;
        }
    }

    private void CutWait(bool onlyWithoutCredit)
    {
        lock (_gate)
        {
            if (_isLeasing && (!onlyWithoutCredit || Ledger.FreeCredit == 0))
            {
                Observe(_wait.CancelAsync());
            }
        }
    }

    /// <summary>Deals round-robin in runs, so that shares differ by at most one run of a batch. Returns how many at the end found no consumer.</summary>
    private int Deal(ReceiverSession session, ReadOnlySpan<Delivery> batch, long basis)
    {
        while (!batch.IsEmpty && Ledger.TryTakeTurn(batch.Length, out var consumer, out var share))
        {
            batch = batch[consumer.Push(session, batch[..Math.Min(share, batch.Length)], basis)..];
        }

        return batch.Length;
    }

    private async ValueTask KeepOrReturnAsync(ReadOnlyMemory<Delivery> left)
    {
        if (left.IsEmpty)
        {
            return;
        }

        // Their consumers have left in between. What the store has settled already can only wait for the next one.
        var returns = new Settlement[SettleOnLease ? 0 : left.Length];
        for (var i = 0; i < left.Length; i++)
        {
            if (SettleOnLease)
            {
                _undealt.Enqueue(left.Span[i]);
            }
            else
            {
                returns[i] = Settlement.Release(left.Span[i].Token, countAttempt: false);
            }
        }

        await ReturnAsync(returns).ConfigureAwait(false);
    }

    private void DealUndealt(ReceiverSession session)
    {
        while (_undealt.Count > 0 && Ledger.FreeCredit > 0)
        {
            if (Deal(session, [_undealt.Peek()], TimeProvider.GetTimestamp()) == 0)
            {
                _undealt.Dequeue();
            }
        }
    }

    /// <summary>
    /// Uses a receiver no more after a fault: its fate is unknown, and so is whether it holds leases whose answer was lost. Disposing it returns those; that waits until
    /// the ones that are known are settled.
    /// </summary>
    private void RetireSession()
    {
        if (_session is { } session)
        {
            _session = null;
            lock (_gate)
            {
                _retired.Add(session);
            }

            CloseIdleRetired();
        }
    }

    private void CloseIdleRetired()
    {
        List<ReceiverSession> idle;
        lock (_gate)
        {
            if (_retired.Count == 0)
            {
                return;
            }

            idle = _retired.FindAll(session => !Ledger.IsBusy(session));
            _retired.RemoveAll(idle.Contains);
        }

        foreach (var session in idle)
        {
            RunInBackground(() => session.DisposeAsync().AsTask());
        }
    }

    private void Fault(Exception exception)
    {
        foreach (var consumer in Ledger.CloseToNewcomers())
        {
            consumer.Fault(exception);
        }

        if (_opened.TrySetException(exception))
        {
            _ = _opened.Task.Exception;
        }
    }

    private static void Announce(List<LostLease> lost)
    {
        foreach (var (consumer, token) in lost)
        {
            consumer.AnnounceLost(token);
        }
    }

    private async Task<bool> TryReturnAsync(ReadOnlyMemory<Settlement> batch)
    {
        try
        {
            await _store.SettleAsync(Queue, batch, default, CancellationToken.None).ConfigureAwait(false);
        }
        catch (MillraceException exception) when (exception.IsTransient)
        {
            Logger.ReturnRetries(exception, batch.Length, Queue);
            return false;
        }
        catch (Exception exception)
        {
            Logger.ReturnFailed(exception, batch.Length, Queue);
        }

        Ledger.EndReturn(batch.Span);
        CloseIdleRetired();
        return true;
    }

    private void RunInBackground(Func<Task> work)
    {
        lock (_gate)
        {
            var task = Task.Run(work);
            _background.Add(task);
            task.ContinueWith(Forget, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        void Forget(Task task)
        {
            lock (_gate)
            {
                _background.Remove(task);
            }

            Observe(task);
        }
    }

    private void Observe(Task task) =>
        task.ContinueWith(
            failed => Logger.DispatchCallbackFailed(failed.Exception!.GetBaseException(), Queue),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
}
