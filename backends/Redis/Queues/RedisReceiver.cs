using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>A receiver: the leases that it took, and the wait for more.</summary>
internal sealed class RedisReceiver : IQueueReceiver
{
    private const int KeysDrawn = 32;

    // A lease call whose answer was lost is made again so often, each time as soon as what it took was given back.
    private const int MostRepeats = 2;

    private readonly RedisQueueStore _store;
    private readonly QueueCalls _calls;
    private readonly QueuePlace _place;
    private readonly ReceiverOptions _options;
    private readonly QueueSignal _signal;
    private readonly QueueLanes _lanes;
    private readonly LeaseCall _look;
    private readonly LostLeases _lost;
    private readonly CancellationTokenSource _disposing = new();
    private readonly SemaphoreSlim _leasing = new(1);
    private readonly Lock _gate = new();
    private readonly ulong[] _keys = new ulong[KeysDrawn];
    private readonly Dictionary<ulong, OpenLease> _leases = [];
    private int _keysUsed = KeysDrawn;
    private bool _isDisposed;

    // What the last look found besides its deliveries.
    private long _nextEvent;
    private bool _hasMore;

    public RedisReceiver(RedisQueueStore store, QueuePlace place, ReceiverOptions options, QueueSignal signal)
    {
        (_store, _calls, _place, _options, _signal) = (store, store.Calls, place, options, signal);
        _lanes = store.LanesOf(place);
        _look = new LeaseCall(_lanes.LeasesOf(options));
        _lost = new LostLeases(_calls, place, options.LeaseDuration, store.Time);
        Id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    }

    /// <summary>By which its queue knows that it is there.</summary>
    public string Id { get; }

    public QueuePlace Place => _place;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(into.Length, nameof(into));
        if (maxWait < TimeSpan.Zero && maxWait != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(nameof(maxWait), maxWait, "A wait is not negative; Timeout.InfiniteTimeSpan waits without end.");
        }

        RequireUsable();
        if (!await _leasing.WaitAsync(0, CancellationToken.None).ConfigureAwait(false))
        {
            throw new InvalidOperationException("This receiver is leasing already: calls to LeaseAsync are made one at a time.");
        }

        try
        {
            // Asked before anybody could have disposed it, or seen here.
            RequireUsable();
            long? version = _signal.IsSubscribed ? _signal.Version : null;
            var count = await LookAsync(into, cancellationToken).ConfigureAwait(false);
            if (count > 0 || maxWait == TimeSpan.Zero)
            {
                WakeNext(count);
                return count;
            }

            return await WaitAsync(into, maxWait, version, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _leasing.Release();
        }
    }

    public async ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default)
    {
        RequireUsable();
        var tokens = OpenTokens();
        if (tokens.Count == 0)
        {
            return [];
        }

        var script = QueueScripts.Renew;
        while (true)
        {
            var command = _place.CallSection(script, _calls.IsCluster).Add(tokens.Count).Add(RedisTime.MicrosecondsOf(_options.LeaseDuration));
            SettleLane.AddTokens(command, tokens);
            var reply = await _calls.Executor.ExecuteAsync(command.MayRepeat(), cancellationToken).ConfigureAwait(false);
            switch (QueueCalls.OutcomeOf(reply))
            {
                case ScriptOutcome.Done:
                    return TakeLost(tokens, reply.Items[1].Bytes.Span, areAllLost: false);
                case ScriptOutcome.More:
                    script = QueueScripts.RenewFully;
                    break;
                case ScriptOutcome.Damaged:
                    await _calls.RequireQueueAsync(_place, ScriptOutcome.Damaged).ConfigureAwait(false);
                    break;
                default:
                    // No queue, no lease.
                    return TakeLost(tokens, [], areAllLost: true);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
        }

        await _disposing.CancelAsync().ConfigureAwait(false);

        // A lease call that has reached the server ends first, so that what it took is given back too.
        await _leasing.WaitAsync().ConfigureAwait(false);
        try
        {
            await GiveBackAsync().ConfigureAwait(false);
            await _lost.GiveBackAsync().ConfigureAwait(false);
            await _calls.OpenAsync(_place, creates: false, QueueSettings.Default, Id, TimeSpan.Zero, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            // Without a server, the leases end by themselves, and so does the receiver's presence.
        }
        finally
        {
            await _store.CloseAsync(this).ConfigureAwait(false);
        }
    }

    /// <summary>Notes that a delivery is being settled.</summary>
    /// <returns>Whether it was open, and nobody is settling it.</returns>
    public bool Begin(OpenLease lease, long number)
    {
        lock (_gate)
        {
            return lease.Begin(number);
        }
    }

    /// <summary>Notes that a settlement has failed.</summary>
    public void Undo(OpenLease lease, long number)
    {
        lock (_gate)
        {
            lease.Undo(number);
        }
    }

    /// <summary>Notes that a delivery has been settled, or found lost.</summary>
    /// <returns>Whether it was open, and nobody is settling it.</returns>
    public bool End(OpenLease lease, long number)
    {
        lock (_gate)
        {
            var wasOpen = lease.End(number);
            if (lease.Count == 0)
            {
                _leases.Remove(lease.Key);
                _store.RemoveLease(lease.Key);
            }

            return wasOpen;
        }
    }

    private void RequireUsable()
    {
        _store.RequireUsable();
        ObjectDisposedException.ThrowIf(_isDisposed, this);
    }

    /// <summary>Waits, after a look that found nothing.</summary>
    /// <param name="into">Where the deliveries go.</param>
    /// <param name="maxWait">How long, or without end.</param>
    /// <param name="version">The signal's before that look; null when what was published then did not arrive here, so that the look does not count.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    private async ValueTask<int> WaitAsync(Memory<Delivery> into, TimeSpan maxWait, long? version, CancellationToken cancellationToken)
    {
        var time = _store.Time;
        var start = time.GetTimestamp();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposing.Token);
        var hasLooked = false;
        var count = 0;
        var waiter = _signal.Join(_place.IsDead);
        try
        {
            await SubscribeAsync(either.Token, cancellationToken).ConfigureAwait(false);
            if (version == _signal.Version)
            {
                hasLooked = true;
                _signal.Expect(_nextEvent);
                await WaitForWakeAsync(waiter, maxWait, time, either.Token, cancellationToken).ConfigureAwait(false);
            }

            while (true)
            {
                waiter.LookAgain();
                hasLooked = false;
                count = await LookAsync(into, cancellationToken).ConfigureAwait(false);
                hasLooked = true;
                var left = maxWait == Timeout.InfiniteTimeSpan ? maxWait : maxWait - time.GetElapsedTime(start);
                if (count > 0 || (left <= TimeSpan.Zero && left != Timeout.InfiniteTimeSpan))
                {
                    return count;
                }

                _signal.Expect(_nextEvent);
                await WaitForWakeAsync(waiter, left, time, either.Token, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            // Who goes takes no wake along that another could use.
            _signal.Leave(waiter, passesOn: !hasLooked || (count > 0 && _hasMore));
        }
    }

    private async ValueTask SubscribeAsync(CancellationToken either, CancellationToken cancellationToken)
    {
        try
        {
            await _signal.SubscribeAsync(either).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            RequireUsable();
            throw;
        }
    }

    private async ValueTask WaitForWakeAsync(QueueWaiter waiter, TimeSpan left, TimeProvider time, CancellationToken either, CancellationToken cancellationToken)
    {
        try
        {
            await waiter.Woken.WaitAsync(left, time, either).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The last look follows: what is due at the deadline still comes.
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            RequireUsable();
            throw;
        }
    }

    private void WakeNext(int count)
    {
        if (count > 0 && _hasMore)
        {
            _signal.Wake(_place.IsDead);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> LookAsync(Memory<Delivery> into, CancellationToken cancellationToken)
    {
        for (var repeats = 0; ; )
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_lost.HasAny)
            {
                await _lost.GiveBackAsync().ConfigureAwait(false);
            }

            _look.Set(Math.Min(into.Length, LeaseLane.MaxLeased), NewKey());
            var started = _store.Time.GetTimestamp();
            try
            {
                await _lanes.LeaseAsync(_look).ConfigureAwait(false);
            }
            catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied && !_options.SettleOnLease)
            {
                _lost.Add(_look.Key, started);
                if (++repeats > MostRepeats || !await _lost.TryGiveBackAsync().ConfigureAwait(false))
                {
                    throw;
                }

                continue;
            }

            // The others who shared the script may have been given all that it took, and there is more.
            if (Take(into.Span) is var count && (count > 0 || !_hasMore))
            {
                return count;
            }
        }
    }

    // Never zero, which is no token. Drawn some at a time: what a draw costs depends little on how much is drawn.
    private ulong NewKey()
    {
        if (_keysUsed == _keys.Length)
        {
            RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(_keys.AsSpan()));
            _keysUsed = 0;
        }

        return _keys[_keysUsed++] | 1;
    }

    private int Take(Span<Delivery> into)
    {
        var answer = _look.Answer;
        _look.Forget();
        _nextEvent = answer.NextEvent;
        _hasMore = answer.HasMore;
        var numbers = answer.Numbers.Items;
        var records = answer.Records.Items;
        var states = answer.States.Items;
        var (first, count, key) = (_look.First, _look.Count, _look.Key);
        if (count == 0)
        {
            return 0;
        }

        var open = new long[count];
        for (var i = 0; i < open.Length; i++)
        {
            open[i] = numbers[first + i].ToInteger();
        }

        // Before the messages are read, so that a damaged one does not leave the others without renewal.
        if (!_options.SettleOnLease)
        {
            Add(new OpenLease(this, key, open));
        }

        for (var i = 0; i < count; i++)
        {
            var at = first + i;
            var number = numbers[at].ToInteger();
            var state = QueuedState.Read(at < states.Length ? states[at].Bytes.Span : default);
            into[i] = new Delivery
            {
                Message = MessageRecord.Read(records[at].Bytes, number, answer.Salt, in state),
                Token = _options.SettleOnLease ? default : new LeaseToken(key, (ulong)number),
                Attempt = state.Attempts + 1,
                Redelivered = state.WasDelivered,
            };
        }

        return count;
    }

    private void Add(OpenLease lease)
    {
        lock (_gate)
        {
            _leases.Add(lease.Key, lease);
        }

        _store.AddLease(lease);
    }

    private List<LeaseToken> OpenTokens()
    {
        var tokens = new List<LeaseToken>();
        lock (_gate)
        {
            foreach (var lease in _leases.Values)
            {
                lease.AddOpen(tokens);
            }
        }

        return tokens;
    }

    /// <summary>Finds among renewed leases those that were lost and that nobody has settled meanwhile.</summary>
    /// <param name="tokens">What was to be renewed.</param>
    /// <param name="results">A digit each, 1 for lost; empty for none.</param>
    /// <param name="areAllLost">Whether all were lost.</param>
    private List<LeaseToken> TakeLost(List<LeaseToken> tokens, ReadOnlySpan<byte> results, bool areAllLost)
    {
        var lost = new List<LeaseToken>();
        for (var i = 0; i < tokens.Count; i++)
        {
            if ((areAllLost || (!results.IsEmpty && results[i] == '1')) && _store.EndLease(_place, tokens[i]))
            {
                lost.Add(tokens[i]);
            }
        }

        return lost;
    }

    private async ValueTask GiveBackAsync()
    {
        var tokens = OpenTokens();
        if (tokens.Count == 0)
        {
            return;
        }

        foreach (var token in tokens)
        {
            _store.EndLease(_place, token);
        }

        await SettleLane.ReturnAsync(_calls, _place, tokens).ConfigureAwait(false);
    }
}
