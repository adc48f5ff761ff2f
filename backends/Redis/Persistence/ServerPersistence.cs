using System.Globalization;

namespace Millrace.Redis.Persistence;

/// <summary>How one server keeps what it holds, as it says itself, and what that means for what it has acknowledged.</summary>
/// <param name="Server">Its address.</param>
/// <param name="AppendOnly">Whether it writes a log; null when it does not tell.</param>
/// <param name="Fsync">When it flushes that log: <c>always</c>, <c>everysec</c>, <c>no</c>; null when it does not tell.</param>
/// <param name="MaxMemory">How many bytes it may hold; 0: as many as there are.</param>
/// <param name="Eviction">What it drops when it holds so many: <c>noeviction</c>, <c>allkeys-lru</c> and so on; null when it does not tell.</param>
/// <param name="SkipsFsync">Whether it does not flush while it rewrites its log or takes a snapshot: <c>no-appendfsync-on-rewrite yes</c>; false when it does not tell.</param>
internal sealed record ServerPersistence(string Server, bool? AppendOnly, string? Fsync, long MaxMemory, string? Eviction, bool SkipsFsync = false)
{
    /// <summary>Whether what it acknowledges survives a power cut: law Q1 with <c>durability=full</c>.</summary>
    public bool IsFull => AppendOnly == true && Fsync == "always" && !SkipsFsync;

    /// <summary>What an acknowledged write may be lost to.</summary>
    public string Meaning => (AppendOnly, Fsync) switch
    {
        (true, "always" or "everysec") when SkipsFsync =>
            "a power cut of the server while it rewrites its log or takes a snapshot loses what it had not flushed since that began; at other times "
            + (Fsync == "always" ? "what is acknowledged survives one" : "about the last second, two at worst; kill -9 loses nothing that was written to its log"),
        (true, "always") => "what is acknowledged survives a power cut of the server",
        (true, "everysec") => "a power cut of the server loses about the last second of what is acknowledged, two at worst; kill -9 loses nothing that was written to its log",
        (true, "no") => "a power cut of the server loses what its system had not written yet, up to half a minute on Linux",
        (false, _) => "the end of the server loses everything since its last snapshot, or everything if it takes none",
        _ => "the server does not tell whether what is acknowledged survives its end",
    };

    /// <summary>What is set on the server: <c>appendonly yes, appendfsync everysec</c>.</summary>
    public string Settings => AppendOnly switch
    {
        true => $"appendonly yes, appendfsync {Fsync ?? "unknown"}{(SkipsFsync ? ", no-appendfsync-on-rewrite yes" : "")}",
        false => "appendonly no",
        _ => "appendonly unknown",
    };

    /// <summary>How much it may hold, and what it does when it holds so much: <c>maxmemory 104857600, maxmemory-policy noeviction</c>.</summary>
    public string Memory => string.Create(CultureInfo.InvariantCulture, $"maxmemory {MaxMemory}, maxmemory-policy {Eviction ?? "unknown"}");

    /// <summary>Why it may drop keys of ours although nobody told it to; null when it will not.</summary>
    public string? EvictionWarning
    {
        get
        {
            if (MaxMemory == 0 || Eviction is null or "noeviction")
            {
                return null;
            }

            var limit = string.Create(CultureInfo.InvariantCulture, $"maxmemory {MaxMemory} with maxmemory-policy {Eviction}");
            return Eviction.StartsWith("allkeys", StringComparison.Ordinal)
                ? $"{limit}: when the memory is full the server drops keys of any kind, whole queues, streams and held locks among them. Set maxmemory-policy noeviction"
                : $"{limit}: when the memory is full the server drops keys that expire, locks among them, also while they are held, so that two can hold one; and the history of channels. "
                    + "Set maxmemory-policy noeviction";
        }
    }
}
