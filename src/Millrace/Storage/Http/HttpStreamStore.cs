using System.Collections.Concurrent;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>The streams of a server. Safe for concurrent use.</summary>
internal sealed partial class HttpStreamStore : IStreamStore
{
    // Around the records of an append: a record of a hundred bytes is a fifth larger on its way.
    private const int RoomForLengths = 5;

    private readonly ApiConnection _connection;
    private readonly NodeInfo _node;
    private readonly ConcurrentDictionary<HttpStreamPartition, bool> _open = [];
    private bool _isDisposed;

    public HttpStreamStore(ApiConnection connection, StreamCapabilities capabilities, NodeInfo node)
    {
        _connection = connection;
        _node = node;
        var mostInRequest = (int)Math.Min(node.MaxRequestBytes - (node.MaxRequestBytes / RoomForLengths), int.MaxValue);
        Capabilities = capabilities with
        {
            MaxAppendBytes = Math.Min(capabilities.MaxAppendBytes, mostInRequest),
            MaxRecordBytes = Math.Min(capabilities.MaxRecordBytes, mostInRequest),
        };
    }

    public StreamCapabilities Capabilities { get; }

    public async ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        context.Validate();
        if (context.Path is not null)
        {
            throw new MillraceConfigurationException(
                $"Stream '{context.Stream}' names the path '{context.Path}', but where a server keeps its files is the server's: leave the path out.");
        }

        cancellationToken.ThrowIfCancellationRequested();
        using var body = JsonBody.Of(json => StreamWire.WriteSettings(json, context.PartitionCount, context.Retention));
        var request = new ApiRequest(HttpMethod.Put, ApiPath.Partition(context.Stream, context.Partition)) { Body = body, IsRepeatable = true };
        (await _connection.SendAsync(request, cancellationToken).ConfigureAwait(false)).Dispose();
        var partition = new HttpStreamPartition(this, _connection, _node, context.Stream, context.Partition);
        _open[partition] = true;
        return partition;
    }

    public async ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ResourceName.Require(context.Stream, "stream");
        cancellationToken.ThrowIfCancellationRequested();
        var request = new ApiRequest(HttpMethod.Delete, ApiPath.Partition(context.Stream, context.Partition));
        using var answer = await _connection.SendAsync(request, CancellationToken.None).ConfigureAwait(false);
        foreach (var partition in _open.Keys)
        {
            if (partition.IsOf(context.Stream, context.Partition))
            {
                partition.End();
            }
        }

        return AnswerReading.From(_connection, answer, static (ref json) =>
        {
            var removed = false;
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(WireNames.Removed))
                {
                    removed = json.Boolean();
                }
                else
                {
                    json.Skip();
                }
            }

            return removed;
        });
    }

    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        foreach (var partition in _open.Keys)
        {
            partition.Close();
        }

        return default;
    }

    public void Forget(HttpStreamPartition partition) => _open.TryRemove(partition, out _);
}
