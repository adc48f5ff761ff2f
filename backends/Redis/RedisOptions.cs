using System.Globalization;
using Millrace.Redis.Channels;
using Millrace.Redis.Client.Connections;
using Millrace.Storage;

namespace Millrace.Redis;

/// <summary>The options of a <c>redis:</c> URL, checked. Immutable; its text form has no secret.</summary>
internal sealed record RedisOptions
{
    public const string DefaultPrefix = "millrace";

    private const int MaxNameLength = 100;
    private const int MaxDatabase = 1_000_000;
    private const int FewestConnections = 3;

    /// <summary>Whether a server may be a replica: for a client that only reads it is of use, for stores it is not.</summary>
    public bool TakesReplicas { get; init; }

    /// <summary>The URL with its secrets masked, for errors.</summary>
    public required string Url { get; init; }

    public required RedisTopology Topology { get; init; }

    /// <summary>The server, the sentinels, or some nodes of the Cluster.</summary>
    public required IReadOnlyList<RedisServerAddress> Servers { get; init; }

    /// <summary>The name under which the sentinels know the primary; null without sentinels.</summary>
    public string? PrimaryName { get; init; }

    public required RedisLogin Login { get; init; }

    /// <summary>Who the client is to the sentinels.</summary>
    public required RedisLogin SentinelLogin { get; init; }

    public int Database { get; init; }

    /// <summary>Null for connections in clear.</summary>
    public RedisTls? Tls { get; init; }

    /// <summary>What the connections are called in CLIENT LIST.</summary>
    public required string ClientName { get; init; }

    /// <summary>What every key begins with.</summary>
    public required string Prefix { get; init; }

    /// <summary>What the keys of queues begin with instead of <see cref="Prefix"/>; null for the same.</summary>
    public string? QueuePrefix { get; init; }

    /// <summary>Whether queues come into being when they are used.</summary>
    public bool CreatesQueues { get; init; } = true;

    /// <summary>The longest time until a reply, or until there is a connection to send a command on.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>The longest time until a connection stands.</summary>
    public required TimeSpan ConnectTimeout { get; init; }

    /// <summary>The most connections to one server: one for commands, one for subscriptions, the others for commands that make their connection wait.</summary>
    public required int MaxConnections { get; init; }

    public required RedisDurability Durability { get; init; }

    /// <summary>How many messages of channels are kept.</summary>
    public ChannelHistoryOptions History { get; init; } = ChannelHistoryOptions.Default;

    /// <summary>How many replicas must have a write before it counts as done; 0 for none.</summary>
    public int WaitReplicas { get; init; }

    /// <summary>How long to wait for them.</summary>
    public required TimeSpan WaitTimeout { get; init; }

    /// <summary>The servers, for errors and logs.</summary>
    public string Target => Topology == RedisTopology.Sentinel ? $"{PrimaryName} of {string.Join(",", Servers)}" : string.Join(",", Servers);

    /// <summary>The options of <see cref="ParseForClient"/>, as names of configuration fields without underscores.</summary>
    public static IReadOnlySet<string> ClientOptionNames { get; } = new HashSet<string>(
        ["timeoutMs", "connectTimeoutMs", "cluster", "sentinelUser", "sentinelPassword", "clientName", "maxConnections", "ca", "cert", "key", "pfx", "pfxPassword", "serverName"],
        StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads the URL of a backend.</summary>
    /// <exception cref="MillraceConfigurationException">A part of it cannot work; says which and why.</exception>
    public static RedisOptions Parse(BackendUrl url) => Parse(url, isBackend: true);

    /// <summary>Reads the URL of a client that keeps nothing itself: without the options of stores.</summary>
    /// <exception cref="MillraceConfigurationException">A part of it cannot work; says which and why.</exception>
    public static RedisOptions ParseForClient(BackendUrl url) => Parse(url, isBackend: false);

    /// <inheritdoc/>
    public override string ToString() => Url;

    private static RedisOptions Parse(BackendUrl url, bool isBackend)
    {
        ArgumentNullException.ThrowIfNull(url);
        if (url.Scheme is not ("redis" or "rediss") || url.FullScheme is not ("redis" or "rediss" or "redis+sentinel" or "rediss+sentinel"))
        {
            throw new MillraceConfigurationException($"The URL '{url}' must begin with redis:, rediss:, redis+sentinel: or rediss+sentinel:.");
        }

        var reader = url.ReadOptions();
        var timeout = reader.Milliseconds("timeoutMs", TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10));
        var asCluster = reader.Boolean("cluster", false);
        var isSentinel = url.FullScheme.EndsWith("+sentinel", StringComparison.Ordinal);
        var options = new RedisOptions
        {
            Url = url.ToString(),
            Topology = isSentinel ? RedisTopology.Sentinel : asCluster || url.Hosts.Count > 1 ? RedisTopology.Cluster : RedisTopology.Single,
            Servers = [.. url.Hosts.Select(host => RedisServerAddress.Of(host, isSentinel ? RedisServerAddress.DefaultSentinelPort : RedisServerAddress.DefaultPort))],
            Login = new RedisLogin(string.IsNullOrEmpty(url.UserName) ? null : url.UserName, url.Password),
            SentinelLogin = new RedisLogin(reader.Text("sentinelUser"), reader.Text("sentinelPassword")),
            ClientName = RequireWord("clientName", reader.Text("clientName", DefaultPrefix)!),
            Prefix = DefaultPrefix,
            TakesReplicas = !isBackend,
            Timeout = timeout,
            ConnectTimeout = reader.Milliseconds("connectTimeoutMs", TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10)),
            MaxConnections = MaxConnectionsOf(reader),
            Durability = RedisDurability.Engine,
            WaitTimeout = timeout,
            Tls = RedisTls.Parse(url, reader),
        };
        options = isBackend ? options.WithStoreOptions(reader) : options;
        if (url.Options.Keys.FirstOrDefault(static name => name.Replace("_", "", StringComparison.Ordinal).Equals("pendingSet", StringComparison.OrdinalIgnoreCase)) is { } pending)
        {
            throw new MillraceConfigurationException(
                $"The backend 'redis' has no option '{pending}', and needs none: what is being worked stands in the keys of its queue, under 'queue_name' or 'prefix'. Leave it out.");
        }

        reader.RejectUnknown();
        return options.WithPath(url, asCluster);
    }

    private RedisOptions WithStoreOptions(BackendOptionReader reader) => this with
    {
        Prefix = RequireKeyPart("prefix", Either(reader, "prefix", "keyPrefix") ?? DefaultPrefix),
        QueuePrefix = Either(reader, "queueName", "queue_name") is { } name ? RequireKeyPart("queue_name", name) : null,
        CreatesQueues = reader.Boolean("autocreate", true),
        History = ChannelHistoryOptions.Read(reader),
        Durability = reader.Choice("durability", RedisDurability.Engine, ("engine", RedisDurability.Engine), ("full", RedisDurability.Full)),
        WaitReplicas = (int)reader.Number("wait", 0, 0, 100),
        WaitTimeout = reader.Milliseconds("waitTimeoutMs", Timeout, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(10)),
    };

    private RedisOptions WithPath(BackendUrl url, bool asCluster)
    {
        if (Servers.Count == 0)
        {
            throw new MillraceConfigurationException($"The URL '{url}' must name a server, such as redis://localhost:6379/0.");
        }

        if (Login is { UserName: not null, Password: null })
        {
            throw new MillraceConfigurationException($"The URL '{url}' has a user without a password. Write redis://user:password@host, or redis://:password@host for a password alone.");
        }

        if (SentinelLogin is { UserName: not null, Password: null })
        {
            throw new MillraceConfigurationException($"The URL '{url}' has the option 'sentinelUser' without 'sentinelPassword'.");
        }

        if (Topology != RedisTopology.Sentinel && SentinelLogin.Password is not null)
        {
            throw new MillraceConfigurationException($"The URL '{url}' has the option 'sentinelPassword', which means something to redis+sentinel: only.");
        }

        if (url.Options.ContainsKey("waitTimeoutMs") && WaitReplicas == 0)
        {
            throw new MillraceConfigurationException($"The URL '{url}' has the option 'waitTimeoutMs', which means something together with 'wait' only.");
        }

        var parts = url.Path.Trim('/').Split('/', StringSplitOptions.RemoveEmptyEntries);
        return Topology switch
        {
            RedisTopology.Sentinel when asCluster => throw new MillraceConfigurationException($"The URL '{url}' asks for a Cluster and for sentinels: a Cluster has none."),
            RedisTopology.Sentinel when parts is [var name] => this with { PrimaryName = name },
            RedisTopology.Sentinel when parts is [var name, var database] => this with { PrimaryName = name, Database = RequireDatabase(url, database) },
            RedisTopology.Sentinel => throw new MillraceConfigurationException($"The URL '{url}' must name the primary and may name a database, as in redis+sentinel://localhost:26379/mymaster/0."),
            _ when parts.Length > 1 => throw new MillraceConfigurationException($"The path of the URL '{url}' must be the number of a database, as in redis://localhost:6379/0."),
            RedisTopology.Cluster when parts.Length == 1 && RequireDatabase(url, parts[0]) != 0 =>
                throw new MillraceConfigurationException($"The URL '{url}' names a database. A Cluster has only database 0."),
            _ => this with { Database = parts.Length == 0 ? 0 : RequireDatabase(url, parts[0]) },
        };
    }

    private static int RequireDatabase(BackendUrl url, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= MaxDatabase
            ? number
            : throw new MillraceConfigurationException($"'{text}' in the URL '{url}' is no number of a database; it is 0 for most.");

    private static int MaxConnectionsOf(BackendOptionReader reader)
    {
        const int unset = 32;
        var snake = reader.Text("max_connections") is not null;
        var camel = reader.Text("maxConnections") is not null;
        return snake && camel
            ? throw new MillraceConfigurationException("The options 'max_connections' and 'maxConnections' mean the same. Remove one of them.")
            : (int)reader.Number(snake ? "max_connections" : "maxConnections", unset, FewestConnections, 10_000);
    }

    private static string? Either(BackendOptionReader reader, string name, string alias)
    {
        var (value, other) = (reader.Text(name), reader.Text(alias));
        return value is null || other is null
            ? value ?? other
            : throw new MillraceConfigurationException($"The options '{name}' and '{alias}' mean the same. Remove one of them.");
    }

    // Braces mean something in a key: the part of it that names its slot.
    private static string RequireKeyPart(string option, string value) =>
        value.TrimEnd(':') is { Length: > 0 and <= MaxNameLength } part && !part.Any(c => c is '{' or '}' || char.IsControl(c))
            ? part
            : throw new MillraceConfigurationException($"The option '{option}' of backend 'redis' must have 1 to {MaxNameLength} characters, without braces and control characters, not '{value}'.");

    // Redis refuses blanks and line ends in the name of a connection.
    private static string RequireWord(string option, string value) =>
        value.Length is > 0 and <= MaxNameLength && value.All(c => c is > ' ' and <= '~')
            ? value
            : throw new MillraceConfigurationException($"The option '{option}' of backend 'redis' must have 1 to {MaxNameLength} printable ASCII characters without blanks, not '{value}'.");
}

/// <summary>How servers belong together.</summary>
internal enum RedisTopology : byte
{
    Single,
    Sentinel,
    Cluster,
}

/// <summary>What must be true of a write that has returned.</summary>
internal enum RedisDurability : byte
{
    /// <summary>It is as durable as the server is set to make it.</summary>
    Engine,

    /// <summary>It survives a loss of power: the server must have <c>appendfsync always</c>.</summary>
    Full,
}
