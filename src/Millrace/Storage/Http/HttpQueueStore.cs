using System.Collections.Concurrent;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>
/// The queues of a server. Enqueues and settlements of concurrent callers share requests; each receiver has one at the server. Which contracts are offered decides
/// <see cref="HttpBackend"/>.
/// </summary>
internal sealed partial class HttpQueueStore : IQueueStore, IQueueAdmin, IQueueRouting, IQueueTransactions
{
    private readonly ApiConnection _connection;
    private readonly OperationSender _operations;
    private readonly ConcurrentDictionary<HttpQueueReceiver, bool> _receivers = [];

    // Which receiver holds which delivery, so that it can tell what was lost with its server.
    private readonly ConcurrentDictionary<LeaseToken, HttpQueueReceiver> _holders = [];
    private bool _isDisposed;

    public HttpQueueStore(ApiConnection connection, QueueCapabilities capabilities, NodeInfo node)
    {
        _connection = connection;
        _operations = new OperationSender(connection);
        Capabilities = capabilities;
        Node = node;
    }

    public QueueCapabilities Capabilities { get; }

    public NodeInfo Node { get; }

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentNullException.ThrowIfNull(queue);
        RequireRoom(batch.Length, results.Length, nameof(results));
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        try
        {
            // Here, so that nothing bad is sent, and so that a fault names the message's place in the caller's own batch.
            ResourceName.Require(queue, "queue");
            EnvelopeRules.Require(batch.Span, Capabilities);
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException(exception);
        }

        return batch.IsEmpty
            ? ValueTask.CompletedTask
            : _operations.SendAsync(queue, new EnqueueOperation(queue, batch, results, Capabilities.Has(QueueFeatures.Deduplication)), cancellationToken);
    }

    public async ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        ResourceName.RequireQueue(queue);
        var receiver = new HttpQueueReceiver(this, _connection, queue, options);
        await receiver.OpenAsync(cancellationToken).ConfigureAwait(false);
        _receivers[receiver] = true;
        return receiver;
    }

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentNullException.ThrowIfNull(queue);
        RequireRoom(batch.Length, results.Length, nameof(results));
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        try
        {
            ResourceName.RequireQueue(queue);
        }
        catch (InvalidNameException exception)
        {
            return ValueTask.FromException(exception);
        }

        return batch.IsEmpty ? ValueTask.CompletedTask : SettleCoreAsync(queue, batch, results, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        foreach (var receiver in _receivers.Keys)
        {
            await receiver.DisposeAsync().ConfigureAwait(false);
        }

        await _operations.DisposeAsync().ConfigureAwait(false);
    }

    public void Forget(HttpQueueReceiver receiver) => _receivers.TryRemove(receiver, out _);

    public void Hold(LeaseToken token, HttpQueueReceiver receiver) => _holders[token] = receiver;

    public void Release(LeaseToken token) => _holders.TryRemove(token, out _);

    private async ValueTask SettleCoreAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        await _operations.SendAsync(queue, new SettleOperation(queue, batch, results), cancellationToken).ConfigureAwait(false);
        ForgetLeases(batch.Span);
    }

    private void ForgetLeases(ReadOnlySpan<Settlement> settled)
    {
        foreach (ref readonly var settlement in settled)
        {
            if (_holders.TryRemove(settlement.Token, out var holder))
            {
                holder.Forget(settlement.Token);
            }
        }
    }

    private static void RequireRoom(int batch, int results, string parameter)
    {
        if (results > 0)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(results, batch, parameter);
        }
    }

    private async ValueTask<ApiAnswer> SendAsync(HttpMethod method, string path, Action<System.Text.Json.Utf8JsonWriter>? write, bool isRepeatable, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        using var body = write is null ? null : JsonBody.Of(write);
        return await _connection.SendAsync(new ApiRequest(method, path) { Body = body, IsRepeatable = isRepeatable }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a request of which one problem is an expected outcome: null then.</summary>
    private async ValueTask<ApiAnswer?> TrySendAsync(ApiRequest request, string expectedProblem, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var answer = await _connection.ExchangeAsync(request, retries: true, cancellationToken).ConfigureAwait(false);
        if (answer.Problem is null)
        {
            return answer;
        }

        if (answer.Problem.Code != expectedProblem)
        {
            throw _connection.Fault(answer);
        }

        answer.Dispose();
        return null;
    }
}
