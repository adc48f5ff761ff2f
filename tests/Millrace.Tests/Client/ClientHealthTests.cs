using Millrace.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Client;

/// <summary>A client whose shapes live in several stores is as healthy as the worst of them.</summary>
public sealed class ClientHealthTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task StoresOfSeveralShapes_AreAllAsked_AndTheOneThatFailsIsNamed()
    {
        var channels = new ProbedChannels { Error = "the line is cut" };
        var registry = BackendRegistry.CreateDefault();
        registry.Add("far", (_, _) => Backend.Of("far", channels));
        await using var mill = await MillraceClient.OpenAsync("memory:", options => (options.Backends, options.ChannelUrl) = (registry, "far:"), Token);

        var failing = await mill.Health.ProbeAsync(Token);
        channels.Error = null;
        var healthy = await mill.Health.ProbeAsync(Token);

        Assert.Equal((false, "far: the line is cut"), (failing.IsHealthy, failing.Error));
        Assert.Equal((true, null), (healthy.IsHealthy, healthy.Error));
        Assert.Equal(2, channels.Probes);
    }

    [Fact]
    public async Task StoresOfOneKind_AreToldApartByWhatTheyAreFor()
    {
        var channels = new ProbedChannels { Error = "the line is cut" };
        var registry = BackendRegistry.CreateDefault();
        registry.Add("far", (_, _) => Backend.Of("memory", channels));
        await using var mill = await MillraceClient.OpenAsync("memory:", options => (options.Backends, options.ChannelUrl) = (registry, "far:"), Token);

        var report = await mill.Health.ProbeAsync(Token);

        Assert.Equal("memory (channel): the line is cut", report.Error);
        Assert.Contains(report.Details.Keys, static key => key.StartsWith("memory (queue).", StringComparison.Ordinal));
    }

    private sealed class ProbedChannels : IChannelTransport, IHealthProbe
    {
        public string? Error { get; set; }

        public int Probes { get; private set; }

        public ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
        {
            Probes++;
            return new(new HealthReport(Error is null, TimeSpan.FromMilliseconds(1), Error, new Dictionary<string, string>()));
        }

        public ValueTask<ChannelMessageId> PublishAsync(string topic, Envelope envelope, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<IChannelSubscription> SubscribeAsync(TopicPattern pattern, SubscriptionOptions options, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public ValueTask<IReadOnlyList<ChannelMessage>> GetHistoryAsync(
            TopicPattern pattern, ChannelMessageId? after = null, int limit = 1000, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => default;
    }
}
