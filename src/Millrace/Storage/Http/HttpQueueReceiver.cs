using Millrace.Diagnostics;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>
/// A receiver with its counterpart at the server. Lease calls are numbered: a call that is repeated after a cut gets the deliveries that were leased for it, so that none is
/// stranded. When the server no longer knows the receiver (it was restarted), a new one is opened, and what was open counts as lost.
/// </summary>
internal sealed class HttpQueueReceiver : IQueueReceiver
{
    // A server that was told to end a wait answers at once, or not at all.
    private static readonly TimeSpan CancelPatience = TimeSpan.FromSeconds(5);

    private readonly HttpQueueStore _store;
    private readonly ApiConnection _connection;
    private readonly string _queue;
    private readonly ReceiverOptions _options;
    private readonly Lock _gate = new();
    private readonly HashSet<LeaseToken> _open = [];
    private readonly List<LeaseToken> _lost = [];
    private readonly CancellationTokenSource _closing = new();
    private string _id = "";
    private long _call;
    private Task _lastLease = Task.CompletedTask;
    private bool _isDisposed;

    public HttpQueueReceiver(HttpQueueStore store, ApiConnection connection, string queue, ReceiverOptions options)
    {
        _store = store;
        _connection = connection;
        _queue = queue;
        _options = options;
    }

    /// <summary>Opens the counterpart.</summary>
    public async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        using var body = JsonBody.Of(json =>
        {
            json.WriteStartObject();
            WireValues.WriteMilliseconds(json, WireNames.LeaseMs, _options.LeaseDuration);
            json.WriteBoolean(WireNames.SettleOnLease, _options.SettleOnLease);
            json.WriteEndObject();
        });

        // Opened twice after a cut, the first one ends by itself: it holds nothing.
        var request = new ApiRequest(HttpMethod.Post, ApiPath.Queue(_queue, ApiPath.Receivers)) { Body = body, IsRepeatable = true };
        using var answer = await _connection.SendAsync(request, cancellationToken).ConfigureAwait(false);
        _id = AnswerReading.From(_connection, answer, static (ref json) =>
        {
            var id = "";
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(WireNames.Receiver))
                {
                    id = json.Text();
                }
                else
                {
                    json.Skip();
                }
            }

            return id;
        });
    }

    public ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(into.Length, nameof(into));
        if (maxWait < TimeSpan.Zero && maxWait != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(nameof(maxWait), maxWait, "Zero polls, Timeout.InfiniteTimeSpan waits until cancelled; other negative times mean nothing.");
        }

        TaskCompletionSource ended;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_lastLease.IsCompleted)
            {
                throw new InvalidOperationException("The receiver is leasing already: one lease call at a time.");
            }

            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<int>(cancellationToken);
            }

            ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _lastLease = ended.Task;
        }

        return LeaseAndTellAsync(into, maxWait, ended, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var request = new ApiRequest(HttpMethod.Post, ApiPath.Receiver(_id, "renew")) { IsRepeatable = true };
        var answer = await _connection.ExchangeAsync(request, retries: true, cancellationToken).ConfigureAwait(false);
        var lost = new List<LeaseToken>();
        if (answer.Problem?.Code == ProblemMap.ReceiverNotFound)
        {
            // The lease call opens a new one; what this one held has nobody who would renew it.
            answer.Dispose();
            LoseOpen();
        }
        else if (answer.Problem is not null)
        {
            throw _connection.Fault(answer);
        }
        else
        {
            using (answer)
            {
                AnswerReading.From(_connection, answer, (ref json) => ReadLost(ref json, lost));
            }
        }

        lock (_gate)
        {
            lost.AddRange(_lost);
            _lost.Clear();
            _open.ExceptWith(lost);
        }

        lost.ForEach(_store.Release);
        return lost;
    }

    public async ValueTask DisposeAsync()
    {
        Task lease;
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            lease = _lastLease;
        }

        try
        {
            // The server ends a lease call that waits, and hands back what is open.
            using var answer = await _connection.ExchangeAsync(
                new ApiRequest(HttpMethod.Delete, $"{ApiPath.Receivers}/{_id}") { IsRepeatable = true }, retries: false, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is MillraceException or ObjectDisposedException)
        {
            _connection.Logger.ReceiverCloseFailed(exception, _queue);
            await _closing.CancelAsync().ConfigureAwait(false);
        }

        await lease.ConfigureAwait(false);
        lock (_gate)
        {
            foreach (var token in _open)
            {
                _store.Release(token);
            }

            _open.Clear();
        }

        _store.Forget(this);
    }

    /// <summary>A delivery was settled.</summary>
    public void Forget(LeaseToken token)
    {
        lock (_gate)
        {
            _open.Remove(token);
        }
    }

    private async ValueTask<int> LeaseAndTellAsync(Memory<Delivery> into, TimeSpan maxWait, TaskCompletionSource ended, CancellationToken cancellationToken)
    {
        try
        {
            return await LeaseCoreAsync(into, maxWait, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ended.SetResult();
        }
    }

    private async Task<int> LeaseCoreAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        var remaining = maxWait;
        while (true)
        {
            var wait = remaining == Timeout.InfiniteTimeSpan || remaining > _store.Node.PollTime ? _store.Node.PollTime : remaining;
            var leased = await LeaseOnceAsync(into, wait, cancellationToken).ConfigureAwait(false);
            ObjectDisposedException.ThrowIf(_isDisposed && leased == 0, this);
            if (leased > 0)
            {
                return leased;
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (remaining != Timeout.InfiniteTimeSpan)
            {
                // The server has waited by its own clock.
                remaining -= wait;
                if (remaining <= TimeSpan.Zero)
                {
                    return 0;
                }
            }
        }
    }

    private async Task<int> LeaseOnceAsync(Memory<Delivery> into, TimeSpan wait, CancellationToken cancellationToken)
    {
        var call = ++_call;
        while (true)
        {
            var id = _id;
            using var body = JsonBody.Of(json =>
            {
                json.WriteStartObject();
                json.WriteNumber(WireNames.Call, call);
                json.WriteNumber(WireNames.Max, into.Length);
                WireValues.WriteMilliseconds(json, WireNames.WaitMs, wait);
                json.WriteEndObject();
            });
            var request = new ApiRequest(HttpMethod.Post, ApiPath.Receiver(id, "lease")) { Body = body, Wait = wait, IsRepeatable = true };
            using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
            using var registration = cancellationToken.UnsafeRegister(_ => CancelLease(id, call, giveUp), null);
            ApiAnswer answer;
            try
            {
                answer = await _connection.ExchangeAsync(request, retries: true, giveUp.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
                throw new OperationCanceledException(cancellationToken);
            }

            if (answer.Problem?.Code == ProblemMap.ReceiverNotFound && !_isDisposed)
            {
                answer.Dispose();
                LoseOpen();
                await OpenAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (answer.Problem is not null)
            {
                var fault = _connection.Fault(answer);
                ObjectDisposedException.ThrowIf(_isDisposed, this);
                throw fault;
            }

            using (answer)
            {
                return Take(answer, into);
            }
        }
    }

    private int Take(ApiAnswer answer, Memory<Delivery> into)
    {
        var count = AnswerReading.From(_connection, answer, (ref json) => ReadDeliveries(ref json, into.Span));
        if (!_options.SettleOnLease)
        {
            lock (_gate)
            {
                foreach (ref readonly var delivery in into.Span[..count])
                {
                    _open.Add(delivery.Token);
                    _store.Hold(delivery.Token, this);
                }
            }
        }

        return count;
    }

    private void LoseOpen()
    {
        lock (_gate)
        {
            _lost.AddRange(_open);
            _open.Clear();
        }
    }

    /// <summary>Tells the server to end the wait of one call; the call itself then returns, with deliveries if it had leased.</summary>
    private void CancelLease(string id, long call, CancellationTokenSource giveUp)
    {
        // Not awaited: the lease call waits for its own answer. If that does not come, it is cut off.
        _ = SendCancelAsync();

        async Task SendCancelAsync()
        {
            try
            {
                giveUp.CancelAfter(CancelPatience);
                using var body = JsonBody.Of(json =>
                {
                    json.WriteStartObject();
                    json.WriteNumber(WireNames.Call, call);
                    json.WriteEndObject();
                });
                using var answer = await _connection.ExchangeAsync(
                    new ApiRequest(HttpMethod.Post, ApiPath.Receiver(id, "cancel")) { Body = body, IsRepeatable = true }, retries: false, giveUp.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is MillraceException or ObjectDisposedException or OperationCanceledException)
            {
                // The server is gone, and so is what it waited for; or the lease call has ended by itself.
                CutOff(giveUp);
            }
        }
    }

    private static void CutOff(CancellationTokenSource giveUp)
    {
        try
        {
            giveUp.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The lease call has ended.
        }
    }

    private static int ReadDeliveries(ref WireReader json, Span<Delivery> into)
    {
        var count = 0;
        json.BeginObject();
        while (json.NextField())
        {
            if (!json.Is(WireNames.Deliveries))
            {
                json.Skip();
                continue;
            }

            json.BeginArray();
            while (json.NextElement())
            {
                if (count == into.Length)
                {
                    throw new WireFormatException("It has more deliveries than were asked for.");
                }

                into[count++] = MessageWire.ReadDelivery(ref json);
            }
        }

        return count;
    }

    private static bool ReadLost(ref WireReader json, List<LeaseToken> lost)
    {
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Lost))
            {
                TransactionWire.ReadTokens(ref json, lost);
            }
            else
            {
                json.Skip();
            }
        }

        return true;
    }
}
