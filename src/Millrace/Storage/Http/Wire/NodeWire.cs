using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>What a node says of one instance that it serves: the answer to the first request of a client.</summary>
/// <param name="Version">The server's version.</param>
/// <param name="Backend">The name of the backend behind the instance.</param>
/// <param name="Shapes">The contracts that it has.</param>
/// <param name="Queues">What its queue store can do; null if it has none.</param>
/// <param name="MaxWait">The longest wait of one long poll.</param>
/// <param name="MaxRequestBytes">The largest request body.</param>
internal sealed record NodeInfo(string Version, string Backend, NodeShapes Shapes, QueueCapabilities? Queues, TimeSpan MaxWait, long MaxRequestBytes)
{
    // Proxies between client and server commonly cut what has been quiet for a minute.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    /// <summary>What its stream store can do; null if it has none.</summary>
    public StreamCapabilities? Streams { get; init; }

    /// <summary>How long a client waits in one request.</summary>
    public TimeSpan PollTime => MaxWait < Longest ? MaxWait : Longest;
}

/// <summary>The contracts of an instance.</summary>
[Flags]
internal enum NodeShapes
{
    None = 0,
    Queue = 1,
    QueueAdmin = 1 << 1,
    QueueRouting = 1 << 2,
    QueueTransactions = 1 << 3,
    Channel = 1 << 4,
    Lock = 1 << 5,
    State = 1 << 6,
    Stream = 1 << 7,
}

/// <summary><see cref="NodeInfo"/> in JSON.</summary>
internal static class NodeWire
{
    private static readonly (JsonEncodedText Word, NodeShapes Shape)[] ShapeWords =
    [
        (Queue, NodeShapes.Queue),
        (JsonEncodedText.Encode("queue-administration"), NodeShapes.QueueAdmin),
        (JsonEncodedText.Encode("queue-routing"), NodeShapes.QueueRouting),
        (JsonEncodedText.Encode("queue-transactions"), NodeShapes.QueueTransactions),
        (JsonEncodedText.Encode("channel"), NodeShapes.Channel),
        (JsonEncodedText.Encode("lock"), NodeShapes.Lock),
        (State, NodeShapes.State),
        (WireNames.Stream, NodeShapes.Stream),
    ];

    private static readonly (JsonEncodedText Word, QueueFeatures Feature)[] FeatureWords =
    [
        (JsonEncodedText.Encode("atomic-batches"), QueueFeatures.AtomicBatches),
        (JsonEncodedText.Encode("deduplication"), QueueFeatures.Deduplication),
        (JsonEncodedText.Encode("priorities"), QueueFeatures.Priorities),
        (JsonEncodedText.Encode("counts-attempts"), QueueFeatures.CountsAttempts),
        (JsonEncodedText.Encode("ordered-keys"), QueueFeatures.OrderedKeys),
        (JsonEncodedText.Encode("bounds"), QueueFeatures.Bounds),
        (JsonEncodedText.Encode("browsing"), QueueFeatures.Browsing),
    ];

    private static readonly (JsonEncodedText Word, StoreDurability Durability)[] DurabilityWords =
    [
        (None, StoreDurability.None),
        (JsonEncodedText.Encode("process"), StoreDurability.Process),
        (JsonEncodedText.Encode("full"), StoreDurability.Full),
        (JsonEncodedText.Encode("engine"), StoreDurability.Engine),
    ];

    public static void Write(Utf8JsonWriter json, NodeInfo info)
    {
        json.WriteStartObject();
        json.WriteString(WireNames.Version, info.Version);
        json.WriteString(WireNames.Backend, info.Backend);
        json.WriteStartArray(Shapes);
        foreach (var (word, shape) in ShapeWords)
        {
            if (info.Shapes.HasFlag(shape))
            {
                json.WriteStringValue(word);
            }
        }

        json.WriteEndArray();
        WireValues.WriteMilliseconds(json, MaxWaitMs, info.MaxWait);
        json.WriteNumber(MaxRequestBytes, info.MaxRequestBytes);
        if (info.Queues is { } queues)
        {
            WriteCapabilities(json, queues);
        }

        if (info.Streams is { } streams)
        {
            json.WriteStartObject(WireNames.Streams);
            json.WriteString(Durability, WordOf(streams.Durability));
            json.WriteNumber(MaxRecordBytes, streams.MaxRecordBytes);
            json.WriteNumber(MaxAppendBytes, streams.MaxAppendBytes);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    public static NodeInfo Read(ref WireReader json)
    {
        var info = new NodeInfo("", "", NodeShapes.None, null, TimeSpan.FromSeconds(1), 0);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Version))
            {
                info = info with { Version = json.Text() };
            }
            else if (json.Is(WireNames.Backend))
            {
                info = info with { Backend = json.Text() };
            }
            else if (json.Is(Shapes))
            {
                info = info with { Shapes = (NodeShapes)ReadWords(ref json, ShapeWords, shape => (int)shape) };
            }
            else if (json.Is(MaxWaitMs))
            {
                info = info with { MaxWait = json.Milliseconds() };
            }
            else if (json.Is(MaxRequestBytes))
            {
                info = info with { MaxRequestBytes = json.Number(0, long.MaxValue) };
            }
            else if (json.Is(WireNames.Queues))
            {
                info = info with { Queues = ReadCapabilities(ref json) };
            }
            else if (json.Is(WireNames.Streams))
            {
                info = info with { Streams = ReadStreams(ref json) };
            }
            else
            {
                json.Skip();
            }
        }

        return info;
    }

    private static void WriteCapabilities(Utf8JsonWriter json, QueueCapabilities queues)
    {
        json.WriteStartObject(WireNames.Queues);
        json.WriteString(Durability, WordOf(queues.Durability));
        json.WriteStartArray(Features);
        foreach (var (word, feature) in FeatureWords)
        {
            if (queues.Has(feature))
            {
                json.WriteStringValue(word);
            }
        }

        json.WriteEndArray();
        WireValues.WriteMilliseconds(json, MaxDelayMs, queues.MaxDelay);
        json.WriteNumber(MaxBodyBytes, queues.MaxBodyBytes);
        json.WriteNumber(MaxHeaderBytes, queues.MaxHeaderBytes);
        json.WriteNumber(DefaultMaxBytes, queues.DefaultMaxBytes);
        json.WriteEndObject();
    }

    // Whoever is behind a server shares it with others, whatever its backend does for itself.
    private static QueueCapabilities ReadCapabilities(ref WireReader json)
    {
        var queues = new QueueCapabilities { Backend = HttpBackend.BackendName, Durability = StoreDurability.None, Features = QueueFeatures.None, SharedAcrossProcesses = true };
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Durability))
            {
                queues = queues with { Durability = json.Choice<StoreDurability>(DurabilityWords) };
            }
            else if (json.Is(Features))
            {
                queues = queues with { Features = (QueueFeatures)ReadWords(ref json, FeatureWords, feature => (int)feature) };
            }
            else if (json.Is(MaxDelayMs))
            {
                queues = queues with { MaxDelay = json.Milliseconds() };
            }
            else if (json.Is(MaxBodyBytes))
            {
                queues = queues with { MaxBodyBytes = json.Number(0, int.MaxValue) };
            }
            else if (json.Is(MaxHeaderBytes))
            {
                queues = queues with { MaxHeaderBytes = json.Number(0, int.MaxValue) };
            }
            else if (json.Is(DefaultMaxBytes))
            {
                queues = queues with { DefaultMaxBytes = json.Number(0, long.MaxValue) };
            }
            else
            {
                json.Skip();
            }
        }

        return queues;
    }

    private static StreamCapabilities ReadStreams(ref WireReader json)
    {
        var streams = new StreamCapabilities { Backend = HttpBackend.BackendName, Durability = StoreDurability.None, SharedAcrossProcesses = true };
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Durability))
            {
                streams = streams with { Durability = json.Choice<StoreDurability>(DurabilityWords) };
            }
            else if (json.Is(MaxRecordBytes))
            {
                streams = streams with { MaxRecordBytes = json.Number(0, int.MaxValue) };
            }
            else if (json.Is(MaxAppendBytes))
            {
                streams = streams with { MaxAppendBytes = json.Number(0, int.MaxValue) };
            }
            else
            {
                json.Skip();
            }
        }

        return streams;
    }

    private static JsonEncodedText WordOf(StoreDurability durability) => Array.Find(DurabilityWords, word => word.Durability == durability).Word;

    // Words that this version does not know are a newer server's, and passed over.
    private static int ReadWords<T>(ref WireReader json, (JsonEncodedText Word, T Value)[] words, Func<T, int> bit)
    {
        var bits = 0;
        json.BeginArray();
        while (json.NextElement())
        {
            var text = json.Text();
            foreach (var (word, value) in words)
            {
                bits |= word.Value == text ? bit(value) : 0;
            }
        }

        return bits;
    }
}
