using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>The metadata of a stream, as it is stored.</summary>
internal sealed record StreamDocument
{
    public required int Partitions { get; init; }

    public string? Path { get; init; }

    public TimeSpan? MaxAge { get; init; }

    public long? MaxBytes { get; init; }

    public long? MaxRecords { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The backend that has the records.</summary>
    public required string Backend { get; init; }

    /// <summary>Set while the stream is being deleted: whoever meets it finishes that.</summary>
    public bool IsDeleting { get; init; }

    [JsonIgnore]
    public StreamRetention Retention => new() { MaxAge = MaxAge, MaxBytes = MaxBytes, MaxRecords = MaxRecords };

    public StreamInfo ToInfo(string stream) => new(stream, new StreamSettings { Partitions = Partitions, Path = Path, Retention = Retention }, CreatedAt);
}

/// <summary>Where a group stands in one partition, and who may say so, as it is stored.</summary>
internal sealed record GroupPartitionDocument
{
    public required string Group { get; init; }

    public required int Partition { get; init; }

    public required long Epoch { get; init; }

    public string? Owner { get; init; }

    public required long Offset { get; init; }
}

/// <summary>A member of a group, as it is stored. Its beats are what others judge it by.</summary>
internal sealed record GroupMemberDocument
{
    public required string Member { get; init; }

    public required long Beat { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StreamDocument))]
[JsonSerializable(typeof(GroupPartitionDocument))]
[JsonSerializable(typeof(GroupMemberDocument))]
internal sealed partial class StreamDocuments : JsonSerializerContext
{
    public static StreamDocument ReadStream(StateDocument document) => Read(document, Default.StreamDocument);

    public static GroupPartitionDocument ReadPartition(StateDocument document) => Read(document, Default.GroupPartitionDocument);

    public static byte[] Write(StreamDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, Default.StreamDocument);

    public static byte[] Write(GroupPartitionDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, Default.GroupPartitionDocument);

    public static byte[] Write(GroupMemberDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, Default.GroupMemberDocument);

    private static T Read<T>(StateDocument document, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(document.Value.Span, type) ?? throw new JsonException("It is the JSON value null.");
        }
        catch (JsonException exception)
        {
            throw new StorageCorruptException($"The state document '{document.Key}' cannot be read: {exception.Message}", exception);
        }
    }
}
