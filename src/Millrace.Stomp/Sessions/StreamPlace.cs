using System.Globalization;
using Millrace.Stomp.Codec;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>Where a SUBSCRIBE frame wants to begin in a stream, and the headers in which that and the place of each record stand. Immutable.</summary>
/// <param name="Stream">The stream.</param>
/// <param name="Partition">The only partition; null for all.</param>
/// <param name="From">Where to begin in each; with a group, where it has no offset yet.</param>
/// <param name="Group">The consumer group; null for none.</param>
internal sealed record StreamPlace(string Stream, int? Partition, StartingPoint From, string? Group)
{
    public const string StreamHeader = "x-stream";
    public const string PartitionHeader = "x-partition";
    public const string OffsetHeader = "x-offset";
    public const string TimestampHeader = "x-timestamp";
    public const string KeyHeader = "x-message-key";
    private const string GroupHeader = "x-group";

    /// <summary>Reads a SUBSCRIBE frame.</summary>
    /// <exception cref="StompFaultException">A header has a value that it cannot have.</exception>
    public static StreamPlace Read(StompFrame frame, string stream, AckMode mode)
    {
        if (frame.GetRaw(KnownHeader.Browser).SequenceEqual("true"u8))
        {
            throw new StompFaultException("not supported", "A stream is not browsed: every subscription reads it from where it likes (x-offset), and leaves it as it is.");
        }

        var from = StartingPoint.Next;
        if (Find(frame, OffsetHeader) is { } text && !StartingPoint.TryParse(text, out from))
        {
            throw new StompFaultException("malformed frame", $"The header {OffsetHeader} must be {StartingPoint.Forms}, not '{Destination.Shown(text)}'.");
        }

        var place = new StreamPlace(stream, Find(frame, PartitionHeader) is { } number ? ParsePartition(number) : null, from, Find(frame, GroupHeader));
        if (place.Group is not null)
        {
            RequireGroup(place, mode);
        }

        return place;
    }

    private static void RequireGroup(StreamPlace place, AckMode mode)
    {
        ResourceName.Require(place.Group!, "group");
        if (mode == AckMode.Auto)
        {
            throw new StompFaultException("not supported", "A group commits what its members acknowledge: subscribe with ack:client or ack:client-individual.");
        }

        if (place.Partition is not null || place.From.ToStart() is null)
        {
            throw new StompFaultException("not supported", $"With {GroupHeader}, the members share the partitions, and begin where the group stands: leave {PartitionHeader} out, and {OffsetHeader}:last.");
        }
    }

    private static int ParsePartition(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var partition)
        ? partition
        : throw new StompFaultException("malformed frame", $"The header {PartitionHeader} must be a whole number of 0 or more, not '{Destination.Shown(text)}'.");

    private static string? Find(StompFrame frame, string name)
    {
        for (var i = 0; i < frame.HeaderCount; i++)
        {
            if (frame.NameAt(i) == name)
            {
                return frame.ValueAt(i);
            }
        }

        return null;
    }
}
