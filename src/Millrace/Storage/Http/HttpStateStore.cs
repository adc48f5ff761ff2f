using Millrace.Serialization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>The state of a server: documents as bodies, versions as entity tags.</summary>
internal sealed class HttpStateStore(ApiConnection connection, NodeInfo node) : IStateStore
{
    private const string OpaqueBytes = "application/octet-stream";

    public async ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireStateKey(key);
        var request = new ApiRequest(HttpMethod.Get, ApiPath.State(key)) { IsRepeatable = true };
        var answer = await connection.ExchangeAsync(request, retries: true, cancellationToken).ConfigureAwait(false);
        if (answer.Problem is { Code: not ProblemMap.StateNotFound })
        {
            throw connection.Fault(answer);
        }

        using (answer)
        {
            return answer.Problem is null ? new StateDocument(key, answer.Bytes.ToArray(), answer.Version ?? IStateStore.Absent) : null;
        }
    }

    public async ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireStateKey(key);
        if (value.Length > IStateStore.MaxValueBytes)
        {
            throw new InvalidMessageException($"The value of state '{key}' has {value.Length:N0} bytes, the limit is {IStateStore.MaxValueBytes:N0}.");
        }

        using var body = new PooledBuffer();
        value.Span.CopyTo(body.GetSpan(value.Length));
        body.Advance(value.Length);
        var request = new ApiRequest(HttpMethod.Put, ApiPath.State(key)) { Body = body, ContentType = OpaqueBytes, ExpectedVersion = expectedVersion };
        return await WriteAsync(request, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireStateKey(key);
        return WriteAsync(new ApiRequest(HttpMethod.Delete, ApiPath.State(key)) { ExpectedVersion = expectedVersion }, cancellationToken);
    }

    public async ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, 1000);
        var path = ApiPath.StateList + ApiPath.Query(("prefix", prefix), ("after", after), ("limit", WireValues.Text(limit)));
        using var answer = await connection.SendAsync(new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true }, cancellationToken).ConfigureAwait(false);
        return AnswerReading.From(connection, answer, static (ref json) => StateWire.ReadPage(ref json));
    }

    public async ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        while (true)
        {
            var path = ApiPath.Changes + ApiPath.Query(
                ("prefix", prefix), ("revision", WireValues.Text(revision)), ("waitMs", WireValues.Text((long)node.PollTime.TotalMilliseconds)));
            var request = new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true, Wait = node.PollTime };
            using var answer = await connection.SendAsync(request, cancellationToken).ConfigureAwait(false);
            if (answer.Status != System.Net.HttpStatusCode.NoContent)
            {
                return AnswerReading.Number(connection, answer, WireNames.Revision);
            }
        }
    }

    private async ValueTask<StateWriteResult> WriteAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        var answer = await connection.ExchangeAsync(request, retries: true, cancellationToken).ConfigureAwait(false);
        if (answer.Problem is { Code: not ProblemMap.VersionMismatch })
        {
            throw connection.Fault(answer);
        }

        using (answer)
        {
            // The version now: of the write, or of what stood in its way.
            return new StateWriteResult(answer.Problem is null, answer.Version ?? IStateStore.Absent);
        }
    }
}
