using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Storage;

namespace Millrace.Server.Metrics;

/// <summary>
/// The counts of the queues of every instance, read when somebody asks, kept for a moment, and read by one at a time. Safe for concurrent use.
/// </summary>
internal sealed class QueueCounts(MillraceServerOptions options) : IDisposable
{
    private const int PageSize = 500;

    // A scraper gives up after 10 s as a rule; a store that hangs must not cost it the other metrics.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _reading = new(1, 1);
    private readonly Dictionary<string, Task> _running = new(StringComparer.Ordinal);
    private readonly ILogger _logger = options.LoggerFactory.CreateLogger("Millrace.Server.Metrics");
    private QueueCountsPage? _last;
    private long _lastAt;

    /// <summary>The counts, at most a second old.</summary>
    public async ValueTask<QueueCountsPage> ReadAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_last is null || options.TimeProvider.GetElapsedTime(_lastAt) >= CacheTime)
            {
                // Not the token of the first who asks: others wait for the same counts.
                using var deadline = new CancellationTokenSource(Timeout, options.TimeProvider);
                var reading = options.Instances
                    .OrderBy(instance => instance.Key, StringComparer.Ordinal)
                    .Select(instance => ReadInstanceAsync(instance.Key, instance.Value, deadline.Token))
                    .ToList();
                _last = new QueueCountsPage(await Task.WhenAll(reading).ConfigureAwait(false), options.MaxMetricQueues);
                _lastAt = options.TimeProvider.GetTimestamp();
            }

            return _last;
        }
        finally
        {
            _reading.Release();
        }
    }

    public void Dispose() => _reading.Dispose();

    private async Task<InstanceCounts> ReadInstanceAsync(string instance, MillraceClient client, CancellationToken cancellationToken)
    {
        if (_running.TryGetValue(instance, out var earlier) && !earlier.IsCompleted)
        {
            // It hangs still: a second read would hang beside it.
            return new InstanceCounts(instance, null, false);
        }

        try
        {
            var reading = Task.Run(() => ReadQueuesAsync(instance, client, cancellationToken), CancellationToken.None);
            _running[instance] = reading;
            return await reading.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _logger.QueueCountsFailed(exception, instance);
            return new InstanceCounts(instance, null, false);
        }
    }

    private async Task<InstanceCounts> ReadQueuesAsync(string instance, MillraceClient client, CancellationToken cancellationToken)
    {
        var queues = new List<(string, QueueStats)>();
        if (client.Find<IQueueAdmin>() is not { } admin)
        {
            return new InstanceCounts(instance, queues, false);
        }

        string? after = null;
        do
        {
            var names = await admin.ListQueuesAsync("", after, PageSize, cancellationToken).ConfigureAwait(false);
            foreach (var queue in names)
            {
                if (queues.Count >= options.MaxMetricQueues)
                {
                    return new InstanceCounts(instance, queues, true);
                }

                try
                {
                    queues.Add((queue, await admin.GetStatsAsync(queue, cancellationToken).ConfigureAwait(false)));
                }
                catch (QueueNotFoundException)
                {
                    // Deleted since it was listed.
                }
                catch (StorageCorruptException fault)
                {
                    // One queue's damage is no reason not to count the others.
                    _logger.QueueLeftOut(instance, queue, fault.Message);
                }
            }

            after = names.Count == PageSize ? names[^1] : null;
        }
        while (after is not null);
        return new InstanceCounts(instance, queues, false);
    }
}

/// <summary>The counts of one instance.</summary>
/// <param name="Instance">Its name.</param>
/// <param name="Queues">By queue; null when they could not be read.</param>
/// <param name="IsCut">Whether there are more.</param>
internal sealed record InstanceCounts(string Instance, IReadOnlyList<(string Queue, QueueStats Stats)>? Queues, bool IsCut);
