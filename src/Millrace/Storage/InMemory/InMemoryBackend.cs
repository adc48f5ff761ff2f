using System.Globalization;
using Millrace.Storage.Engine;

namespace Millrace.Storage.InMemory;

/// <summary>The backend <c>memory:</c>: the reference semantics of every shape, in this process, lost with it.</summary>
/// <remarks>
/// <para>Options of the URL: <c>autocreate</c> (<c>true</c>: queues are created when they are first used).</para>
/// <para>Channels keep the latest messages of all topics together, for subscribers that resume, as long as all of these allow: <c>history</c> (how many; 1,000 unless
/// set, 0 for none), <c>historyTtlMs</c> (for how many milliseconds; 60,000), <c>historyBytes</c> (how many bytes of bodies; 64 MiB).</para>
/// </remarks>
public sealed class InMemoryBackend : Backend, IHealthProbe
{
    private static readonly Envelope[] ProbeEnvelopes = [new(new byte[1])];

    private readonly MonotonicClock _clock;
    private readonly TimerHeap _timers;
    private readonly QueueEngine _queues;
    private readonly InMemoryChannelTransport _channels;
    private readonly LockEngine _locks;
    private readonly StateEngine _state;
    private readonly InMemoryStreamStore _streams;

    private InMemoryBackend(BackendContext context, bool createsQueues, ChannelHistory history)
    {
        _clock = new MonotonicClock(context.TimeProvider);
        _timers = new TimerHeap(_clock);
        _queues = new QueueEngine(_clock, _timers, createsQueues);
        _channels = new InMemoryChannelTransport(_clock, _timers, history);
        _locks = new LockEngine(_clock, _timers);
        _state = new StateEngine();
        _streams = new InMemoryStreamStore(_clock);
    }

    /// <inheritdoc/>
    public override string Name => "memory";

    /// <inheritdoc/>
    public override IQueueStore Queues => _queues;

    /// <inheritdoc/>
    public override IStreamStore Streams => _streams;

    /// <inheritdoc/>
    public override IChannelTransport Channels => _channels;

    /// <inheritdoc/>
    public override ILockStore Locks => _locks;

    /// <inheritdoc/>
    public override IStateStore State => _state;

    /// <inheritdoc/>
    public override IHealthProbe Health => this;

    /// <summary>Opens a new, empty backend: two of them share nothing.</summary>
    /// <exception cref="MillraceConfigurationException">An option is unknown or out of range, or the URL names a host or a path.</exception>
    public static ValueTask<Backend> OpenAsync(BackendUrl url, BackendContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(context);
        if (url.Hosts.Count > 0 || url.Path.Length > 0)
        {
            throw new MillraceConfigurationException($"The backend 'memory' takes neither host nor path, but the URL is '{url}': write memory: and options after a '?'.");
        }

        var options = url.ReadOptions();
        var createsQueues = options.Boolean("autocreate", true);
        var history = new ChannelHistory(
            (int)options.Number("history", 1000, 0, 10_000_000),
            options.Number("historyBytes", 64 * 1024 * 1024, 0, long.MaxValue),
            options.Milliseconds("historyTtlMs", TimeSpan.FromMinutes(1), TimeSpan.Zero, TimeSpan.FromDays(365)).Ticks);
        options.RejectUnknown();
        cancellationToken.ThrowIfCancellationRequested();
        return new(new InMemoryBackend(context, createsQueues, history));
    }

    /// <summary>Sends a message through a queue of the store and takes it out again.</summary>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var started = _clock.Now;
        string? error = null;
        try
        {
            error = await MakeRoundTripAsync().ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            error = "The in-memory backend has been disposed.";
        }

        var details = new Dictionary<string, string>
        {
            ["durability"] = "none",
            ["queues"] = _queues.QueueCount.ToString(CultureInfo.InvariantCulture),
        };
        return new HealthReport(error is null, TimeSpan.FromTicks(_clock.Now - started), error, details);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await _queues.DisposeAsync().ConfigureAwait(false);
        await _streams.DisposeAsync().ConfigureAwait(false);
        await _channels.DisposeAsync().ConfigureAwait(false);
        _locks.Dispose();
        _state.Dispose();
        _timers.Dispose();
    }

    private async ValueTask<string?> MakeRoundTripAsync()
    {
        ObjectDisposedException.ThrowIf(_queues.IsDisposed, this);

        // A store of its own on the same clock and timers, so that a probe shows in nobody's counts and meets no setting.
        var probed = new QueueEngine(_clock, _timers, createsQueues: true);
        await using (probed.ConfigureAwait(false))
        {
            var receiver = await probed.OpenReceiverAsync("probe", new ReceiverOptions()).ConfigureAwait(false);
            await using (receiver.ConfigureAwait(false))
            {
                var deliveries = new Delivery[1];
                var results = new SettleResult[1];
                await probed.EnqueueAsync("probe", ProbeEnvelopes, default).ConfigureAwait(false);
                var leased = await receiver.LeaseAsync(deliveries, TimeSpan.Zero).ConfigureAwait(false);
                await probed.SettleAsync("probe", new[] { Settlement.Complete(deliveries[0].Token) }, results).ConfigureAwait(false);
                return leased == 1 && results[0] == SettleResult.Settled ? null : "A message that was sent did not come back.";
            }
        }
    }
}
