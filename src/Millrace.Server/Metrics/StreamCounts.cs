using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Server.Metrics;

/// <summary>
/// Where the partitions of the streams of every instance begin and end, and how far their groups are behind; read when somebody asks, kept for a moment, and read by one at a time.
/// As many partitions, and as many positions of groups, are told as there may be queues. Safe for concurrent use.
/// </summary>
internal sealed class StreamCounts(MillraceServerOptions options) : IDisposable
{
    private const int PageSize = 500;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _reading = new(1, 1);
    private readonly ILogger _logger = options.LoggerFactory.CreateLogger("Millrace.Server.Metrics");
    private StreamCountsPage? _last;
    private Task _running = Task.CompletedTask;
    private long _lastAt;

    /// <summary>The counts, at most a second old; those that were read last where a store hangs.</summary>
    public async ValueTask<StreamCountsPage> ReadAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if ((_last is null || options.TimeProvider.GetElapsedTime(_lastAt) >= CacheTime) && _running.IsCompleted)
            {
                // Not the token of the first who asks: others wait for the same counts.
                using var deadline = new CancellationTokenSource(Timeout, options.TimeProvider);
                var page = new StreamCountsPage(options.MaxMetricQueues);
                _running = Task.Run(() => ReadAllAsync(page, deadline.Token), CancellationToken.None);
                await _running.WaitAsync(deadline.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                page.Close();
                _last = page;
                _lastAt = options.TimeProvider.GetTimestamp();
            }

            return _last ?? new StreamCountsPage(0);
        }
        finally
        {
            _reading.Release();
        }
    }

    public void Dispose() => _reading.Dispose();

    private async Task ReadAllAsync(StreamCountsPage page, CancellationToken cancellationToken)
    {
        foreach (var (instance, client) in options.Instances.OrderBy(instance => instance.Key, StringComparer.Ordinal))
        {
            try
            {
                if (client.Find<IStreamStore>() is not null)
                {
                    await ReadAsync(page, instance, client, cancellationToken).ConfigureAwait(false);
                    page.SetRead(instance, true);
                }
            }
            catch (Exception exception)
            {
                _logger.StreamCountsFailed(exception, instance);
                page.SetRead(instance, false);
            }
        }
    }

    private static async Task ReadAsync(StreamCountsPage page, string instance, MillraceClient client, CancellationToken cancellationToken)
    {
        string? after = null;
        do
        {
            var streams = await client.Streams.ListAsync("", after, PageSize, cancellationToken).ConfigureAwait(false);
            foreach (var stream in streams)
            {
                try
                {
                    if (!await ReadAsync(page, instance, client.Streams, stream, cancellationToken).ConfigureAwait(false))
                    {
                        return;
                    }
                }
                catch (StreamNotFoundException)
                {
                    // Deleted since it was listed.
                }
            }

            after = streams.Count == PageSize ? streams[^1].Name : null;
        }
        while (after is not null);
    }

    // False when no more fits.
    private static async Task<bool> ReadAsync(StreamCountsPage page, string instance, StreamCatalog catalog, StreamInfo stream, CancellationToken cancellationToken)
    {
        for (var i = 0; i < stream.Settings.Partitions; i++)
        {
            var partition = await catalog.OpenPartitionAsync(stream.Name, i, cancellationToken).ConfigureAwait(false);
            if (!page.Add(instance, stream.Name, i, await partition.GetStatsAsync(cancellationToken).ConfigureAwait(false)))
            {
                break;
            }
        }

        foreach (var group in await catalog.ListGroupsAsync(stream.Name, cancellationToken).ConfigureAwait(false))
        {
            foreach (var position in await catalog.GetGroupAsync(stream.Name, group, cancellationToken).ConfigureAwait(false))
            {
                page.Add(instance, stream.Name, group, position);
            }
        }

        return !page.IsFull;
    }
}
