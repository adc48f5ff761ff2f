using Millrace.Server.Configuration;
using Millrace.Stomp;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

/// <summary>The section <c>STOMP</c> of the configuration.</summary>
public sealed class StompKeysTests
{
    private static readonly (string Name, string Value, StompOptions Options)[] Values =
    [
        ("MAX_BODY_BYTES", "1000", new() { MaxBodyBytes = 1000 }),
        ("MAX_HEADER_BYTES", "70000", new() { MaxHeaderBytes = 70000 }),
        ("MAX_HEADER_LINE_BYTES", "300", new() { MaxHeaderLineBytes = 300 }),
        ("MAX_HEADERS", "9", new() { MaxHeaders = 9 }),
        ("MEMORY_BUDGET_BYTES", "9000000000", new() { MemoryBudgetBytes = 9_000_000_000 }),
        ("MAX_CONNECTIONS", "7", new() { MaxConnections = 7 }),
        ("MAX_CONNECTIONS_PER_ADDRESS", "6", new() { MaxConnectionsPerAddress = 6 }),
        ("MAX_SUBSCRIPTIONS", "5", new() { MaxSubscriptions = 5 }),
        ("MAX_UNACKNOWLEDGED", "400", new() { MaxUnacknowledged = 400 }),
        ("MAX_TRANSACTIONS", "0", new() { MaxTransactions = 0 }),
        ("MAX_TRANSACTION_FRAMES", "3", new() { MaxTransactionFrames = 3 }),
        ("TRANSACTIONS", "ordered", new() { Transactions = StompTransactions.Ordered }),
        ("CONNECT_TIMEOUT_MS", "1000", new() { ConnectTimeout = TimeSpan.FromSeconds(1) }),
        ("FRAME_TIMEOUT_MS", "2000", new() { FrameTimeout = TimeSpan.FromSeconds(2) }),
        ("SEND_TIMEOUT_MS", "3000", new() { SendTimeout = TimeSpan.FromSeconds(3) }),
        ("MIN_HEART_BEAT_MS", "50", new() { MinHeartBeat = TimeSpan.FromMilliseconds(50) }),
        ("PREFETCH", "11", new() { Prefetch = 11 }),
        ("TOPIC_BUFFER_MESSAGES", "12", new() { TopicBufferMessages = 12 }),
        ("TOPIC_BUFFER_BYTES", "13", new() { TopicBufferBytes = 13 }),
        ("SLOW_TOPIC_SUBSCRIBER", "Drop-Newest", new() { SlowTopicSubscriber = SlowTopicSubscriber.DropNewest }),
        ("MAX_TOPIC_DROPS", "none", new() { MaxTopicDrops = null }),
    ];

    [Fact]
    public void EveryOption_HasAKey_ThatReachesIt()
    {
        foreach (var (name, value, expected) in Values)
        {
            var configuration = Read(($"STOMP__{name}", value));

            Assert.Empty(configuration.Faults);
            Assert.Equal(expected with { VirtualHosts = [] }, configuration.Settings.Options.Stomp!.Options with { VirtualHosts = [] });
            var shown = configuration.Effective.Single(effective => effective.Key == $"STOMP__{name}");
            Assert.Equal((value.ToLowerInvariant(), "the environment"), (shown.Value, shown.Source));
        }

        Assert.Equal(["a.example", "b"], Read(("STOMP__VIRTUAL_HOSTS", "a.example; b")).Settings.Options.Stomp!.Options.VirtualHosts);

        // Beside Enabled, Urls and Instance there is one for each property.
        Assert.Equal(typeof(StompOptions).GetProperties().Length, StompKeys.All.Count - 3);
        Assert.Equal(StompKeys.All.Count - 4, Values.Length);
    }

    [Fact]
    public void Stomp_IsServed_UnlessItIsTurnedOff()
    {
        Assert.Equal(["stomp://127.0.0.1:61613"], Read().Settings.Options.Stomp!.Urls);
        Assert.Equal(["stomp://[::1]:1", "stomp://[::1]:2"], Read(("STOMP__URLS", "stomp://[::1]:1;stomp://[::1]:2")).Settings.Options.Stomp!.Urls);
        var off = Read(("STOMP__ENABLED", "false"), ("STOMP__URLS", "stomp://0.0.0.0:1"));
        Assert.Empty(off.Faults);
        Assert.Null(off.Settings.Options.Stomp);
    }

    [Fact]
    public void TheOnlyInstance_IsTheOneThatIsServed_OfSeveralTheDefaultOne()
    {
        Assert.Equal("orders", Read(("QUEUE__ORDERS__URL", "memory:")).Settings.Options.Stomp!.Instance);
        Assert.Equal("default", Read(("QUEUE__ORDERS__URL", "memory:"), ("QUEUE__URL", "memory:")).Settings.Options.Stomp!.Instance);
        Assert.Equal("orders", Read(("QUEUE__ORDERS__URL", "memory:"), ("QUEUE__URL", "memory:"), ("STOMP__INSTANCE", "Orders")).Settings.Options.Stomp!.Instance);
        Assert.Equal(
            "STOMP cannot be served on the instance 'default', which is not configured. Configured are a, b. Name one with STOMP__INSTANCE, or serve without STOMP (--no-stomp).",
            Assert.Single(Read(("QUEUE__A__URL", "memory:"), ("QUEUE__B__URL", "memory:")).Faults));
    }

    [Theory]
    [InlineData("STOMP__PREFETCH", "0", "The STOMP option Prefetch must be 1 to MaxUnacknowledged, not 0.")]
    [InlineData("STOMP__PREFETCH", "many", "STOMP__PREFETCH from the environment is 'many'. Allowed are whole numbers up to 2,147,483,647.")]
    [InlineData("STOMP__PREFETCH", "2147483648", "STOMP__PREFETCH from the environment is '2147483648'.")]
    [InlineData("STOMP__CONNECT_TIMEOUT_MS", "0", "The STOMP option ConnectTimeout must be above 0, up to a day, not 00:00:00.")]
    [InlineData("STOMP__SLOW_TOPIC_SUBSCRIBER", "drop", "Allowed are drop-oldest, drop-newest, disconnect.")]
    [InlineData("STOMP__MAX_TOPIC_DROPS", "never", "or none.")]
    [InlineData("STOMP__ENABLED", "yes", "Allowed are true, false.")]
    [InlineData("STOMP__URLS", "stomp://0.0.0.0:1", "(STOMP__URLS from the environment.)")]
    [InlineData("STOMP__PREFECH", "1", "Did you mean STOMP__PREFETCH?")]
    [InlineData("STOMP__COLOUR", "red", "Known are ENABLED, URLS, INSTANCE, MAX_BODY_BYTES")]
    [InlineData("STOMP__A__PREFETCH", "1", "after STOMP comes a field")]
    public void AWrongKey_IsNamed_AndWhatIsAllowed(string name, string value, string expected) =>
        Assert.Contains(expected, Assert.Single(Read((name, value)).Faults), StringComparison.Ordinal);

    private static ServerConfiguration Read(params (string Name, string? Value)[] environment)
    {
        var backends = new BackendRegistry();
        backends.Add("memory", (_, _) => throw new InvalidOperationException("Nothing is opened."));
        return ServerConfiguration.Read([ConfigurationLayer.OfEnvironment(environment.Select(variable => KeyValuePair.Create(variable.Name, variable.Value)))], "memory:", backends);
    }
}
