using System.Globalization;
using Millrace.Configuration;
using Millrace.Stomp;

namespace Millrace.Server.Configuration;

/// <summary>The keys of the section <c>STOMP</c>. What is out of range is found by the options themselves.</summary>
internal static class StompKeys
{
    private const string None = "none";

    private static readonly (string Word, StompTransactions Value)[] Transactions = [("atomic", StompTransactions.Atomic), ("ordered", StompTransactions.Ordered)];

    private static readonly (string Word, SlowTopicSubscriber Value)[] SlowSubscriber =
    [
        ("drop-oldest", SlowTopicSubscriber.DropOldest), ("drop-newest", SlowTopicSubscriber.DropNewest), ("disconnect", SlowTopicSubscriber.Disconnect),
    ];

    /// <summary>Where to listen.</summary>
    public static ServerKey Urls { get; } = new(
        "URLS",
        "URLs separated by ';'",
        (settings, text) => ServerKey.TrySetUrls(settings.Stomp.Urls, text),
        settings => ServerKey.Join(settings.Stomp.Urls)) { Section = ConfigurationKey.Stomp };

    /// <summary>Which instance.</summary>
    public static ServerKey Instance { get; } = new(
        "INSTANCE",
        "the name of an instance",
        (settings, text) =>
        {
            settings.Stomp.Instance = InstanceUrls.Normalize(text);
            return true;
        },
        settings => settings.Stomp.Instance) { Section = ConfigurationKey.Stomp };

    /// <summary>Every key.</summary>
    public static IReadOnlyList<ServerKey> All { get; } =
    [
        Of("ENABLED", "true, false", settings => settings.IsStompEnabled ? "true" : "false", TrySetEnabled),
        Urls,
        Instance,
        Number("MAX_BODY_BYTES", o => o.MaxBodyBytes, (o, n) => o with { MaxBodyBytes = (int)n }),
        Number("MAX_HEADER_BYTES", o => o.MaxHeaderBytes, (o, n) => o with { MaxHeaderBytes = (int)n }),
        Number("MAX_HEADER_LINE_BYTES", o => o.MaxHeaderLineBytes, (o, n) => o with { MaxHeaderLineBytes = (int)n }),
        Number("MAX_HEADERS", o => o.MaxHeaders, (o, n) => o with { MaxHeaders = (int)n }),
        Number("MEMORY_BUDGET_BYTES", o => o.MemoryBudgetBytes, (o, n) => o with { MemoryBudgetBytes = n }, long.MaxValue),
        Number("MAX_CONNECTIONS", o => o.MaxConnections, (o, n) => o with { MaxConnections = (int)n }),
        NumberOrNone("MAX_CONNECTIONS_PER_ADDRESS", o => o.MaxConnectionsPerAddress, (o, n) => o with { MaxConnectionsPerAddress = (int?)n }, int.MaxValue),
        Number("MAX_SUBSCRIPTIONS", o => o.MaxSubscriptions, (o, n) => o with { MaxSubscriptions = (int)n }),
        Number("MAX_UNACKNOWLEDGED", o => o.MaxUnacknowledged, (o, n) => o with { MaxUnacknowledged = (int)n }),
        Number("MAX_TRANSACTIONS", o => o.MaxTransactions, (o, n) => o with { MaxTransactions = (int)n }),
        Number("MAX_TRANSACTION_FRAMES", o => o.MaxTransactionFrames, (o, n) => o with { MaxTransactionFrames = (int)n }),
        Word("TRANSACTIONS", Transactions, o => o.Transactions, (o, word) => o with { Transactions = word }),
        Milliseconds("CONNECT_TIMEOUT_MS", o => o.ConnectTimeout, (o, t) => o with { ConnectTimeout = t }),
        Milliseconds("FRAME_TIMEOUT_MS", o => o.FrameTimeout, (o, t) => o with { FrameTimeout = t }),
        Milliseconds("SEND_TIMEOUT_MS", o => o.SendTimeout, (o, t) => o with { SendTimeout = t }),
        Milliseconds("MIN_HEART_BEAT_MS", o => o.MinHeartBeat, (o, t) => o with { MinHeartBeat = t }),
        Number("PREFETCH", o => o.Prefetch, (o, n) => o with { Prefetch = (int)n }),
        Number("TOPIC_BUFFER_MESSAGES", o => o.TopicBufferMessages, (o, n) => o with { TopicBufferMessages = (int)n }),
        Number("TOPIC_BUFFER_BYTES", o => o.TopicBufferBytes, (o, n) => o with { TopicBufferBytes = n }, long.MaxValue),
        Word("SLOW_TOPIC_SUBSCRIBER", SlowSubscriber, o => o.SlowTopicSubscriber, (o, word) => o with { SlowTopicSubscriber = word }),
        NumberOrNone("MAX_TOPIC_DROPS", o => o.MaxTopicDrops, (o, n) => o with { MaxTopicDrops = n }, long.MaxValue),
        Of(
            "VIRTUAL_HOSTS",
            "names of hosts separated by ';'",
            settings => ServerKey.Join(settings.Stomp.Options.VirtualHosts),
            (settings, text) => Set(settings, o => o with { VirtualHosts = ServerKey.Split(text) })),
    ];

    private static ServerKey Of(string name, string allowed, Func<ServerSettings, string> show, Func<ServerSettings, string, bool> trySet) =>
        new(name, allowed, trySet, show) { Section = ConfigurationKey.Stomp };

    private static ServerKey Number(string name, Func<StompOptions, long> get, Func<StompOptions, long, StompOptions> with, long most = int.MaxValue) => Of(
        name,
        $"whole numbers up to {most.ToString("N0", CultureInfo.InvariantCulture)}",
        settings => Show(get(settings.Stomp.Options)),
        (settings, text) => TryRead(text, most, out var number) && Set(settings, o => with(o, number)));

    private static ServerKey NumberOrNone(string name, Func<StompOptions, long?> get, Func<StompOptions, long?, StompOptions> with, long most) => Of(
        name,
        $"whole numbers up to {most.ToString("N0", CultureInfo.InvariantCulture)}, or {None}",
        settings => get(settings.Stomp.Options) is { } number ? Show(number) : None,
        (settings, text) => text.Equals(None, StringComparison.OrdinalIgnoreCase) ? Set(settings, o => with(o, null))
            : TryRead(text, most, out var number) && Set(settings, o => with(o, number)));

    private static ServerKey Milliseconds(string name, Func<StompOptions, TimeSpan> get, Func<StompOptions, TimeSpan, StompOptions> with)
    {
        var number = Number(name, o => (long)get(o).TotalMilliseconds, (o, n) => with(o, TimeSpan.FromMilliseconds(n)));
        return number with { Allowed = number.Allowed.Replace("whole numbers", "milliseconds", StringComparison.Ordinal) };
    }

    private static ServerKey Word<T>(string name, (string Word, T Value)[] words, Func<StompOptions, T> get, Func<StompOptions, T, StompOptions> with)
        where T : struct, Enum => Of(
            name,
            string.Join(", ", words.Select(word => word.Word)),
            settings => Array.Find(words, word => word.Value.Equals(get(settings.Stomp.Options))).Word,
            (settings, text) =>
            {
                var index = Array.FindIndex(words, word => word.Word.Equals(text, StringComparison.OrdinalIgnoreCase));
                return index >= 0 && Set(settings, o => with(o, words[index].Value));
            });

    private static bool TrySetEnabled(ServerSettings settings, string text)
    {
        var isAllowed = bool.TryParse(text, out var isEnabled);
        settings.IsStompEnabled = !isAllowed || isEnabled;
        return isAllowed;
    }

    private static bool Set(ServerSettings settings, Func<StompOptions, StompOptions> with)
    {
        settings.Stomp.Options = with(settings.Stomp.Options);
        return true;
    }

    private static bool TryRead(string text, long most, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= most;

    private static string Show(long number) => number.ToString(CultureInfo.InvariantCulture);
}
