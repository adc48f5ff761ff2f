namespace Millrace.Storage.FileLog;

/// <summary>The options of a <c>file:</c> URL, checked.</summary>
internal sealed record FileBackendOptions
{
    private const long DefaultMemoryBytes = 64 * 1024 * 1024;

    public required string Folder { get; init; }

    public required FileLogOptions Log { get; init; }

    /// <summary>Whether queues are created when they are first used.</summary>
    public bool CreatesQueues { get; init; } = true;

    /// <summary>So much memory messages may take that wait in queues; what is beyond that is in the files alone.</summary>
    public long MemoryBytes { get; init; } = DefaultMemoryBytes;

    /// <summary>The word of the URL: <c>full</c>, <c>process</c>, <c>none</c> or <c>interval</c>.</summary>
    public required string Durability { get; init; }

    /// <summary>Reads a URL.</summary>
    /// <exception cref="MillraceConfigurationException">An option or the path cannot work; says which and why.</exception>
    public static FileBackendOptions Parse(BackendUrl url)
    {
        var reader = url.ReadOptions();
        var durability = reader.Choice("durability", "full", ("full", "full"), ("process", "process"), ("none", "none"), ("interval", "interval"));
        var interval = reader.Milliseconds("flushIntervalMs", FileLogOptions.DefaultFlushInterval, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1));
        var segmentBytes = reader.Number("segmentBytes", 64 * 1024 * 1024, FileLogOptions.MinSegmentBytes, FileLogOptions.MaxSegmentBytes);
        var createsQueues = reader.Boolean("autocreate", true);
        var memoryBytes = reader.Number("memoryBytes", DefaultMemoryBytes, 0, long.MaxValue);
        reader.RejectUnknown();
        if (durability != "interval" && url.Options.ContainsKey("flushIntervalMs"))
        {
            throw new MillraceConfigurationException($"The option 'flushIntervalMs' of backend 'file' needs durability=interval, and the URL has durability={durability}.");
        }

        return new FileBackendOptions
        {
            Folder = RequireFolder(url),
            CreatesQueues = createsQueues,
            MemoryBytes = memoryBytes,
            Durability = durability,
            Log = new FileLogOptions
            {
                SegmentBytes = segmentBytes,
                Durability = durability switch
                {
                    "full" => StoreDurability.Full,
                    "process" => StoreDurability.Process,
                    _ => StoreDurability.None,
                },
                FlushInterval = durability == "interval" ? interval : null,
            },
        };
    }

    private static string RequireFolder(BackendUrl url)
    {
        // file://data has read the name as a host; file:///abs and file:./rel have a path.
        if (url.Hosts.Count > 0)
        {
            throw new MillraceConfigurationException($"The URL '{url}' names a host. A folder of this machine is file:./data, or file:///var/data for an absolute path.");
        }

        if (url.Path.Length == 0)
        {
            throw new MillraceConfigurationException($"The URL '{url}' must name a folder, such as file:./data. For a store in memory use memory:.");
        }

        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(url.Path));
        return File.Exists(folder)
            ? throw new MillraceConfigurationException($"'{folder}' is a file; the backend 'file' needs the path of a folder, which it creates if there is none.")
            : folder;
    }
}
