using Millrace.Redis.Client;

namespace Millrace.Redis.Streams;

/// <summary>The scripts of one partition, with its keys.</summary>
internal sealed class PartitionScripts(RedisKeys keys, string stream, int partition)
{
    private static readonly RedisScript AppendScript = Load("append");
    private static readonly RedisScript ReadScript = Load("read");
    private static readonly RedisScript FindScript = Load("find");
    private static readonly RedisScript TrimScript = Load("trim");
    private static readonly RedisScript StatsScript = Load("stats");
    private static readonly RedisScript OpenScript = Load("open");
    private static readonly RedisScript DeleteScript = Load("delete");

    private readonly string _prefix = keys.Partition(stream, partition);

    /// <summary>Where the partition's end is published when it has grown.</summary>
    public string Channel => _prefix + "grown";

    public RedisCommand Append() => Call(AppendScript);

    public RedisCommand Read() => Call(ReadScript).MayRepeat();

    public RedisCommand Find() => Call(FindScript).MayRepeat();

    public RedisCommand Trim() => Call(TrimScript).MayRepeat();

    public RedisCommand Stats() => Call(StatsScript).MayRepeat();

    public RedisCommand Open() => Call(OpenScript).MayRepeat();

    public RedisCommand Delete() => Call(DeleteScript);

    private static RedisScript Load(string name) => RedisScript.Load("Streams/shared.lua", $"Streams/{name}.lua");

    private RedisCommand Call(RedisScript script) => script.Call(_prefix + "partition", _prefix + "records", _prefix + "producers", _prefix + "appended");
}
