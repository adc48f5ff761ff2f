using System.Net;
using Millrace.Serialization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>One opening of a partition of a server. Nothing is open at the server for it, so it outlives the server's restart. Safe for concurrent use.</summary>
internal sealed class HttpStreamPartition(HttpStreamStore store, ApiConnection connection, NodeInfo node, string stream, int partition) : IStreamPartition
{
    private readonly CancellationTokenSource _closing = new();
    private volatile bool _isDeleted;

    public bool IsOf(string ofStream, int ofPartition) => partition == ofPartition && string.Equals(stream, ofStream, StringComparison.Ordinal);

    public async ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default)
    {
        RequireOpen(cancellationToken);
        StreamRecordRules.Require(in request, store.Capabilities);
        using var body = new PooledBuffer();
        RecordBytes.WriteAppend(body, in request);

        // Only the sequences of a producer tell a repeat from a second append (S8). Not cancelled on its way, for then nobody would know whether it is stored.
        var message = new ApiRequest(HttpMethod.Post, Path("appends")) { Body = body, ContentType = RecordBytes.MediaType, IsRepeatable = request.ProducerId is not null };
        using var answer = await SendAsync(message, CancellationToken.None).ConfigureAwait(false);
        return AnswerReading.From(connection, answer, StreamWire.ReadAppended);
    }

    public async ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRecords, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        RequireOpen(cancellationToken);
        var path = Path("records") + ApiPath.Query(("offset", WireValues.Text(offset)), ("limit", WireValues.Text(maxRecords)), ("maxBytes", WireValues.Text(maxBytes)), ("format", "bytes"));
        using var answer = await SendAsync(new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true }, cancellationToken).ConfigureAwait(false);
        try
        {
            return RecordBytes.ReadPage(answer.Bytes);
        }
        catch (WireFormatException exception)
        {
            throw new BackendUnavailableException($"The answer of the server {connection.Options.Server} cannot be read: {exception.Message}", innerException: exception);
        }
    }

    public async ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        RequireOpen(cancellationToken);
        while (true)
        {
            var path = Path() + ApiPath.Query(("beyond", WireValues.Text(offset)), ("waitMs", WireValues.Text((long)node.PollTime.TotalMilliseconds)));
            using var answer = await SendAsync(new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true, Wait = node.PollTime }, cancellationToken).ConfigureAwait(false);
            if (answer.Status != HttpStatusCode.NoContent)
            {
                return;
            }
        }
    }

    public async ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default)
    {
        RequireOpen(cancellationToken);
        var path = Path("offset") + ApiPath.Query(("timestamp", timestamp.ToUniversalTime().ToString("O", System.Globalization.CultureInfo.InvariantCulture)));
        using var answer = await SendAsync(new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true }, cancellationToken).ConfigureAwait(false);
        return AnswerReading.Number(connection, answer, WireNames.Offset);
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        RequireOpen(cancellationToken);
        (await SendAsync(new ApiRequest(HttpMethod.Post, Path("flush")) { IsRepeatable = true }, cancellationToken).ConfigureAwait(false)).Dispose();
    }

    public async ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default)
    {
        RequireOpen(cancellationToken);
        if (beforeOffset <= 0)
        {
            // Every partition begins there or later.
            return;
        }

        using var body = JsonBody.Of(json =>
        {
            json.WriteStartObject();
            json.WriteNumber(WireNames.BeforeOffset, beforeOffset);
            json.WriteEndObject();
        });
        var answer = await ExchangeAsync(new ApiRequest(HttpMethod.Post, Path("trim")) { Body = body, IsRepeatable = true }, CancellationToken.None).ConfigureAwait(false);
        if (answer.Problem is { Code: ProblemMap.InvalidRequest } problem)
        {
            answer.Dispose();
            throw new ArgumentOutOfRangeException(nameof(beforeOffset), beforeOffset, problem.Detail);
        }

        (answer.Problem is null ? answer : throw connection.Fault(answer)).Dispose();
    }

    public async ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default)
    {
        RequireOpen(cancellationToken);
        using var answer = await SendAsync(new ApiRequest(HttpMethod.Get, Path()) { IsRepeatable = true }, cancellationToken).ConfigureAwait(false);
        return AnswerReading.From(connection, answer, StreamWire.ReadStats);
    }

    public ValueTask DisposeAsync()
    {
        store.Forget(this);
        Close();
        return default;
    }

    /// <summary>Its records are gone: whoever waits or calls learns why.</summary>
    public void End()
    {
        _isDeleted = true;
        Close();
    }

    /// <summary>Ends every wait. The source has neither a timer nor a parent, and is left to the collector.</summary>
    public void Close() => _closing.Cancel();

    private async ValueTask<ApiAnswer> SendAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        var answer = await ExchangeAsync(request, cancellationToken).ConfigureAwait(false);
        return answer.Problem is null ? answer : throw connection.Fault(answer);
    }

    private async ValueTask<ApiAnswer> ExchangeAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        // What has been sent off for good is not cut by a disposal either.
        using var either = cancellationToken.CanBeCanceled || request.Wait > TimeSpan.Zero ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token) : null;
        try
        {
            return await connection.ExchangeAsync(request, retries: true, either?.Token ?? CancellationToken.None).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Closed();
        }
        catch (OperationCanceledException exception)
        {
            // The token is the caller's own, not one that joins it with another.
            throw new OperationCanceledException(exception.Message, exception, cancellationToken);
        }
    }

    private void RequireOpen(CancellationToken cancellationToken)
    {
        if (_closing.IsCancellationRequested)
        {
            throw Closed();
        }

        cancellationToken.ThrowIfCancellationRequested();
    }

    private Exception Closed() => _isDeleted
        ? new BackendUnavailableException($"Partition {partition} of stream '{stream}' was deleted.")
        : new ObjectDisposedException(nameof(IStreamPartition), $"Partition {partition} of stream '{stream}' has been closed.");

    private string Path() => ApiPath.Partition(stream, partition);

    private string Path(string part) => ApiPath.Partition(stream, partition, part);
}
