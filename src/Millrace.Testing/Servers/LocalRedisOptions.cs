namespace Millrace.Testing.Servers;

/// <summary>How Redis servers are started for a test. Immutable.</summary>
public sealed record LocalRedisOptions
{
    /// <summary>Defaults throughout: no password, no TLS, nothing written to disk.</summary>
    public static LocalRedisOptions Default { get; } = new();

    /// <summary>
    /// Further arguments of each server, such as <c>["--appendonly", "yes"]</c>; they win over what the servers are started with otherwise, which keeps nothing on disk. Not for
    /// Sentinels.
    /// </summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>The password of the default user (<c>requirepass</c>), of replicas with their primary and of Sentinels with the servers; null for none. Sentinels themselves have none.</summary>
    public string? Password { get; init; }

    /// <summary>The certificate of all servers and Sentinels, whose ports are then for TLS only; null for none.</summary>
    public LocalRedisTls? Tls { get; init; }

    /// <summary>The loopback address that they listen on: 127.0.0.1 unless set, or ::1.</summary>
    public string Address { get; init; } = LocalRedis.Host;

    /// <summary>After how long without an answer Sentinels and the nodes of a Cluster take a server for dead: 2 s unless set.</summary>
    public TimeSpan DownAfter { get; init; } = TimeSpan.FromSeconds(2);
}
