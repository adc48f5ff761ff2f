using System.Text.Json;
using Millrace.Serialization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>
/// Sends the operations of many callers in few requests: what gathers while a request is on its way goes with the next one. Each operation has its own result; one's failure is
/// its own. Operations of one queue keep their order.
/// </summary>
internal sealed class OperationSender : IAsyncDisposable
{
    private const int LaneCount = 4;
    private const int MaxOperations = 1000;
    private const long MaxBytes = 1024 * 1024;

    private readonly GroupCommitter<HttpOperation>[] _lanes;

    public OperationSender(ApiConnection connection)
    {
        var target = new RequestTarget(connection);
        var options = new GroupCommitterOptions { Name = "sender of operations", MaxBatch = MaxOperations, MaxBatchWeight = MaxBytes, DedicatedThread = false, LoneCallersCommit = true };
        _lanes = new GroupCommitter<HttpOperation>[LaneCount];
        for (var i = 0; i < LaneCount; i++)
        {
            _lanes[i] = new GroupCommitter<HttpOperation>(target, options);
        }
    }

    /// <summary>Sends an operation and returns when its result is there.</summary>
    public ValueTask SendAsync(string queue, HttpOperation operation, CancellationToken cancellationToken) =>
        _lanes[(uint)queue.GetHashCode(StringComparison.Ordinal) % LaneCount].CommitAsync(operation, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        foreach (var lane in _lanes)
        {
            await lane.DisposeAsync().ConfigureAwait(false);
        }
    }

    private sealed class RequestTarget(ApiConnection connection) : IGroupCommitTarget<HttpOperation>
    {
        // A fault of the connection meets every operation; what is one operation's fault, the server tells apart. Only a request that is too large is everybody's and nobody's.
        public bool IsWorthIsolating(Exception failure) => failure is InvalidMessageException;

        public async ValueTask CommitAsync(ReadOnlyMemory<HttpOperation> batch)
        {
            try
            {
                await SendAsync(batch, isRepeatable: AreRepeatable(batch.Span)).ConfigureAwait(false);
            }
            catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied && batch.Length > 1)
            {
                // Whoever can be asked again is not held to the others' fate.
                var repeatable = batch.ToArray().Where(operation => operation.IsRepeatable).ToArray();
                foreach (var operation in batch.ToArray().Except(repeatable))
                {
                    operation.Fail(cut);
                }

                if (repeatable.Length > 0)
                {
                    await RepeatAsync(repeatable).ConfigureAwait(false);
                }
            }
        }

        private async ValueTask RepeatAsync(HttpOperation[] batch)
        {
            try
            {
                await SendAsync(batch, isRepeatable: true).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                // Not thrown, for that would meet the others, too.
                Array.ForEach(batch, operation => operation.Fail(exception));
            }
        }

        private async ValueTask SendAsync(ReadOnlyMemory<HttpOperation> batch, bool isRepeatable)
        {
            using var body = new PooledBuffer();
            Write(batch.Span, body);
            var request = new ApiRequest(HttpMethod.Post, ApiPath.Operations) { Body = body, IsRepeatable = isRepeatable };
            using var answer = await connection.SendAsync(request, CancellationToken.None).ConfigureAwait(false);
            try
            {
                Read(answer.Read(), batch.Span);
            }
            catch (WireFormatException exception)
            {
                throw new BackendUnavailableException(
                    $"The answer of the server {connection.Options.Server} cannot be read: {exception.Message}", mayHaveBeenApplied: true, exception);
            }
        }

        private static bool AreRepeatable(ReadOnlySpan<HttpOperation> batch)
        {
            foreach (var operation in batch)
            {
                if (!operation.IsRepeatable)
                {
                    return false;
                }
            }

            return true;
        }

        private static void Write(ReadOnlySpan<HttpOperation> batch, PooledBuffer body)
        {
            using var json = new Utf8JsonWriter(body, WireJson.WriterOptions);
            json.WriteStartObject();
            json.WriteStartArray(WireNames.Operations);
            foreach (var operation in batch)
            {
                operation.Write(json);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        private void Read(WireReader json, ReadOnlySpan<HttpOperation> batch)
        {
            var count = 0;
            json.BeginObject();
            while (json.NextField())
            {
                if (!json.Is(WireNames.Results))
                {
                    json.Skip();
                    continue;
                }

                json.BeginArray();
                while (json.NextElement() && count < batch.Length)
                {
                    ReadResult(ref json, batch[count++]);
                }
            }

            if (count != batch.Length)
            {
                throw new WireFormatException($"It has {count} results for {batch.Length} operations.");
            }
        }

        // {"problem": {…}} or {"result": {…}}
        private void ReadResult(ref WireReader json, HttpOperation operation)
        {
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(WireNames.Problem))
                {
                    operation.Fail(ProblemMap.ToException(WireProblem.Read(ref json), $"The server {connection.Options.Server}"));
                }
                else if (json.Is(WireNames.Result))
                {
                    operation.Read(ref json);
                }
                else
                {
                    json.Skip();
                }
            }
        }
    }
}
