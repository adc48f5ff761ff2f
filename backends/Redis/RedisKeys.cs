namespace Millrace.Redis;

/// <summary>
/// The names of the keys, all under one prefix. What belongs to one queue, or to one partition of a stream, shares a hash tag and so a slot of a Cluster; different queues and
/// partitions spread. The layout is described in docs/formats.md.
/// </summary>
internal sealed class RedisKeys(string prefix)
{
    private static readonly string[] Kinds = ["queue", "stream", "streams", "lock"];

    /// <summary>The prefix of everything: <c>millrace</c> unless the URL says otherwise. Without braces.</summary>
    public string Prefix { get; } = prefix;

    /// <summary>What the keys of a queue begin with: <c>{millrace:queue:NAME}:</c>.</summary>
    public string Queue(string name) => Tagged("queue", name);

    /// <summary>What the keys of a partition of a stream begin with: <c>{millrace:stream:NAME/3}:</c>.</summary>
    public string Partition(string stream, int partition) => Tagged("stream", $"{stream}/{partition}");

    /// <summary>What the keys of a stream as a whole begin with: <c>{millrace:streams:NAME}:</c>.</summary>
    public string Stream(string name) => Tagged("streams", name);

    /// <summary>What the keys of a lock begin with: <c>{millrace:lock:NAME}:</c>.</summary>
    public string Lock(string name) => Tagged("lock", name);

    /// <summary>What the keys of something that there is once begin with, such as <c>{millrace:state}:</c>.</summary>
    public string Single(string kind) => $"{{{Prefix}:{kind}}}:";

    /// <summary>What a key belongs to, for people: <c>the queue 'orders'</c>.</summary>
    public static string Describe(string? key)
    {
        var end = key?.IndexOf('}', StringComparison.Ordinal) ?? -1;
        var tag = end > 0 && key![0] == '{' ? key[1..end] : key ?? "";
        foreach (var kind in Kinds)
        {
            var start = tag.IndexOf($":{kind}:", StringComparison.Ordinal);
            if (start >= 0)
            {
                var name = tag[(start + kind.Length + 2)..].Replace("%7D", "}", StringComparison.Ordinal).Replace("%25", "%", StringComparison.Ordinal);
                return $"the {kind.TrimEnd('s')} '{name}'";
            }
        }

        return $"'{tag}'";
    }

    // A brace in a name would end the tag early.
    private string Tagged(string kind, string name) => $"{{{Prefix}:{kind}:{name.Replace("%", "%25", StringComparison.Ordinal).Replace("}", "%7D", StringComparison.Ordinal)}}}:";
}
