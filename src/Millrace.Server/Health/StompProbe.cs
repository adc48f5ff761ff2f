using System.Globalization;
using Millrace.Server.Hosting;
using Millrace.Server.Stomp;
using Millrace.Stomp;
using Millrace.Storage;

namespace Millrace.Server.Health;

/// <summary>Whether every listener of STOMP accepts connections, by making one to each, and whether there is room for more. Safe for concurrent use.</summary>
/// <param name="broker">What they are for.</param>
/// <param name="listeners">The addresses of the node.</param>
/// <param name="findAddresses">What they are called, once they are bound.</param>
/// <param name="timeout">How long a listener has to accept.</param>
/// <param name="timeProvider">The clock.</param>
internal sealed class StompProbe(StompBroker broker, NodeListeners listeners, Func<IReadOnlyList<string>> findAddresses, TimeSpan timeout, TimeProvider timeProvider) : IHealthProbe
{
    /// <summary>What the check is called. No instance from a configuration can be, for their names are in lower case.</summary>
    public const string CheckName = "stompListeners";

    private const string Listening = "listening";

    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var started = timeProvider.GetTimestamp();
        if (broker.IsStopping)
        {
            return Report(null, "draining", []) with { Warning = "The node is stopping: STOMP accepts nobody any more." };
        }

        var addresses = findAddresses();
        var states = await Task.WhenAll(addresses.Where(IsStomp).Zip(listeners.StompProbes, FindStateAsync)).ConfigureAwait(false);
        var webSockets = addresses.Select(FindWebSocket).OfType<string>().Select(static url => (Url: url, Fault: (string?)null));
        var faults = states.Where(static state => state.Fault is not null).ToList();
        if (broker.IsStopping)
        {
            // It has begun to while they were asked, and they may have been closed.
            return await ProbeAsync(cancellationToken).ConfigureAwait(false);
        }

        var error = faults.Count == 0 ? null : string.Join(
            " ", faults.Select(static state => $"The listener {state.Url} accepts no connections: {state.Fault!.TrimEnd('.')}. The log may say why; a restart of the node opens it again."));
        return Report(error, error is null ? Listening : "not accepting", [.. states, .. webSockets]);

        HealthReport Report(string? error, string state, IReadOnlyList<(string Url, string? Fault)> endpoints)
        {
            var (count, limit) = (broker.ConnectionCount, broker.MaxConnections);
            return new HealthReport(error is null, timeProvider.GetElapsedTime(started), error, new Dictionary<string, string>
            {
                ["state"] = state,
                ["endpoints"] = string.Join("; ", endpoints.Select(static endpoint => $"{endpoint.Url} {(endpoint.Fault is null ? Listening : "not accepting")}")),
                ["connections"] = count.ToString(CultureInfo.InvariantCulture),
                ["maxConnections"] = limit.ToString(CultureInfo.InvariantCulture),
            })
            {
                Warning = count < limit ? null : string.Create(
                    CultureInfo.InvariantCulture, $"There are {count:N0} STOMP connections, which is the limit: more are refused. Close some, or raise STOMP__MAX_CONNECTIONS."),
            };
        }
    }

    private async Task<(string Url, string? Fault)> FindStateAsync(string url, AcceptProbe probe)
    {
        using var deadline = new CancellationTokenSource(timeout, timeProvider);
        try
        {
            return (url, await probe.FindFaultAsync(deadline.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            return (url, string.Create(CultureInfo.InvariantCulture, $"a connection was not accepted within {timeout.TotalMilliseconds:0} ms"));
        }
    }

    private static bool IsStomp(string address) => ListenUrl.IsStomp(ListenUrl.Parse(address));

    // The address by which this very health was asked for, or another one that is bound with it: nothing to try. A socket in the file system has no URL for a path.
    private static string? FindWebSocket(string address) =>
        IsStomp(address) || ListenUrl.Parse(address) is { IsUnixPipe: true } or { IsNamedPipe: true } ? null : $"ws{address["http".Length..].TrimEnd('/')}{WebSocketEndpoint.Path}";
}
