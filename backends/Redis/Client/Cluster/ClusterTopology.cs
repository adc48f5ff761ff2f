using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Client.Cluster;

/// <summary>
/// Which node serves which slot: asked from the Cluster at the start, when a node says MOVED, and when a connection ends; one question at a time, and not more often than
/// <see cref="ShortestInterval"/>. Safe for concurrent use.
/// </summary>
internal sealed class ClusterTopology : IAsyncDisposable
{
    private const int AskedAtOnce = 3;

    private static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly RedisOptions _options;
    private readonly ClusterDialing _dialing;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _closing = new();
    private readonly Dictionary<RedisServerAddress, ClusterNode> _nodes = [];
    private readonly ClusterNode?[] _slots = new ClusterNode?[HashSlot.Count];
    private HashSet<RedisServerAddress> _known;
    private ClusterNode[] _primaries = [];
    private Task? _refreshing;
    private long _lastRefresh;
    private bool _hasRefreshed;

    public ClusterTopology(RedisOptions options, ClusterDialing dialing, TimeProvider time, ILogger logger)
    {
        (_options, _dialing, _time, _logger) = (options, dialing, time, logger);
        _known = [.. options.Servers];
    }

    /// <summary>Told after each answer, on the thread pool: subscriptions may have to move.</summary>
    public Action? Refreshed { get; set; }

    /// <summary>Told of nodes that serve no slots any more, before they are closed.</summary>
    public Action<IReadOnlyList<ClusterNode>>? Retiring { get; set; }

    /// <summary>The primaries that serve slots.</summary>
    public IReadOnlyList<ClusterNode> Primaries => Volatile.Read(ref _primaries);

    /// <summary>Who serves a slot; null when nobody does, as far as is known.</summary>
    public ClusterNode? NodeOf(int slot) => Volatile.Read(ref _slots[slot]);

    /// <summary>The node for a command without a key: one with a connection, if there is one.</summary>
    public ClusterNode? AnyNode()
    {
        var primaries = Volatile.Read(ref _primaries);
        return Array.Find(primaries, static node => node.Link.Current is not null) ?? (primaries.Length == 0 ? null : primaries[Random.Shared.Next(primaries.Length)]);
    }

    /// <summary>Whether a server belongs to the Cluster, as far as is known.</summary>
    public bool Knows(RedisServerAddress address)
    {
        lock (_gate)
        {
            return _known.Contains(address) || _nodes.ContainsKey(address);
        }
    }

    /// <summary>Servers that may be asked, in random order.</summary>
    public RedisServerAddress[] KnownServers()
    {
        lock (_gate)
        {
            RedisServerAddress[] servers = [.. _known.Union(_options.Servers)];
            Random.Shared.Shuffle(servers);
            return servers;
        }
    }

    /// <summary>All nodes that there are connections to.</summary>
    public ClusterNode[] Nodes()
    {
        lock (_gate)
        {
            return [.. _nodes.Values];
        }
    }

    /// <summary>The node at an address, which the Cluster itself has named.</summary>
    public ClusterNode NodeAt(RedisServerAddress address)
    {
        lock (_gate)
        {
            return NodeAtLocked(address);
        }
    }

    /// <summary>A node has said that another one serves a slot.</summary>
    public ClusterNode Move(int slot, RedisServerAddress address)
    {
        ClusterNode node;
        lock (_gate)
        {
            node = NodeAtLocked(address);
            Volatile.Write(ref _slots[slot], node);
        }

        RequestRefresh();
        return node;
    }

    /// <summary>Asks who serves what, soon.</summary>
    public void RequestRefresh() => _ = RefreshAsync().Exception;

    /// <summary>Ends when the question that is being asked, or the next one, has been answered or has failed.</summary>
    public Task RefreshAsync()
    {
        lock (_gate)
        {
            return _closing.IsCancellationRequested ? Task.FromException(new ObjectDisposedException(nameof(ClusterTopology), "The client has been closed."))
                : _refreshing is { IsCompleted: false } running ? running
                : _refreshing = Task.Run(RefreshLaterAsync);
        }
    }

    /// <summary>Asks for the first time.</summary>
    /// <exception cref="MillraceException">Nobody has answered; says why.</exception>
    public async ValueTask OpenAsync(CancellationToken cancellationToken) => await ApplyAsync(await AskAllAsync(cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);

    public async ValueTask DisposeAsync()
    {
        ClusterNode[] nodes;
        Task? refreshing;
        lock (_gate)
        {
            _closing.Cancel();
            nodes = [.. _nodes.Values];
            refreshing = _refreshing;
        }

        if (refreshing is not null)
        {
            await refreshing.ConfigureAwait(false);
        }

        foreach (var node in nodes)
        {
            await node.DisposeAsync().ConfigureAwait(false);
        }
    }

    private ClusterNode NodeAtLocked(RedisServerAddress address)
    {
        ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
        if (!_nodes.TryGetValue(address, out var node))
        {
            node = new ClusterNode(address, _dialing, _options, _time, _logger, RequestRefresh);
            _nodes.Add(address, node);
        }

        return node;
    }

    private async Task RefreshLaterAsync()
    {
        try
        {
            var early = _hasRefreshed ? ShortestInterval - _time.GetElapsedTime(_lastRefresh) : TimeSpan.Zero;
            if (early > TimeSpan.Zero)
            {
                await Task.Delay(early, _time, _closing.Token).ConfigureAwait(false);
            }

            await ApplyAsync(await AskAllAsync(_closing.Token).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (MillraceException fault)
        {
            LogMessages.SlotsUnknown(_logger, RedisFaults.Words(fault));
        }
        catch (Exception closing) when (closing is OperationCanceledException or ObjectDisposedException && _closing.IsCancellationRequested)
        {
            return;
        }
        finally
        {
            _lastRefresh = _time.GetTimestamp();
            _hasRefreshed = true;
        }

        Refreshed?.Invoke();
    }

    /// <summary>Asks servers, a few at a time because some may be gone without a word, and takes the first good answer.</summary>
    private async Task<List<SlotRange>> AskAllAsync(CancellationToken cancellationToken)
    {
        MillraceException? last = null;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var waiting = new Queue<RedisServerAddress>(KnownServers());
        var asked = new List<Task<List<SlotRange>>>();
        try
        {
            while (asked.Count > 0 || waiting.Count > 0)
            {
                while (asked.Count < AskedAtOnce && waiting.TryDequeue(out var server))
                {
                    asked.Add(AskAsync(server, enough.Token));
                }

                var first = await Task.WhenAny(asked).ConfigureAwait(false);
                asked.Remove(first);
                try
                {
                    return await first.ConfigureAwait(false);
                }
                catch (MillraceException fault)
                {
                    // One that has answered says more than one that is gone.
                    last = last is null or BackendUnavailableException ? fault : last;
                }
            }
        }
        finally
        {
            await enough.CancelAsync().ConfigureAwait(false);
            _ = Task.WhenAll(asked).ContinueWith(static all => all.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        throw last!;
    }

    private async Task<List<SlotRange>> AskAsync(RedisServerAddress server, CancellationToken cancellationToken)
    {
        RedisConnection? own = null;
        try
        {
            ClusterNode? node;
            lock (_gate)
            {
                _nodes.TryGetValue(server, out node);
            }

            var connection = node?.Link.Current ?? (own = await _dialing.DialAsync(server, cancellationToken).ConfigureAwait(false));
            var reply = await connection.ExecuteAsync(RedisCommand.Create("CLUSTER").Add("SLOTS")).AsTask().WaitAsync(_options.ConnectTimeout, _time, cancellationToken).ConfigureAwait(false);
            var ranges = SlotRange.Read(reply, server);
            return ranges.Count > 0 ? ranges : throw new BackendUnavailableException($"Redis at {server} knows no slots: its Cluster is not set up, or it has left it.");
        }
        catch (TimeoutException)
        {
            throw new BackendUnavailableException($"Redis at {server} has not told the slots in time.");
        }
        catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied)
        {
            throw RedisFaults.Unprepared(server.ToString(), cut);
        }
        catch (RedisServerException refusal)
        {
            throw new BackendUnavailableException($"Redis at {server} does not tell the slots: {refusal.Message}", mayHaveBeenApplied: false, refusal);
        }
        finally
        {
            own?.Cut(new IOException("it was only for a question"));
        }
    }

    private async ValueTask ApplyAsync(List<SlotRange> ranges)
    {
        List<ClusterNode> retired;
        string? served = null;
        lock (_gate)
        {
            var slots = new ClusterNode?[HashSlot.Count];
            foreach (var range in ranges)
            {
                Array.Fill(slots, NodeAtLocked(range.Primary), range.First, range.Last - range.First + 1);
            }

            for (var i = 0; i < slots.Length; i++)
            {
                Volatile.Write(ref _slots[i], slots[i]);
            }

            ClusterNode[] primaries = [.. ranges.Select(range => _nodes[range.Primary]).Distinct()];
            if (!primaries.ToHashSet().SetEquals(_primaries))
            {
                served = string.Join(", ", primaries.Select(node => node.Address));
            }

            Volatile.Write(ref _primaries, primaries);
            _known = [.. ranges.SelectMany(range => range.Replicas.Append(range.Primary))];
            retired = [.. _nodes.Values.Except(primaries)];
            retired.ForEach(node => _nodes.Remove(node.Address));
        }

        if (served is not null)
        {
            LogMessages.SlotsServed(_logger, served);
        }

        // Their subscriptions first: they are taken out of what is about to be closed.
        Retiring?.Invoke(retired);
        foreach (var node in retired)
        {
            await node.RetireAsync().ConfigureAwait(false);
        }
    }
}
