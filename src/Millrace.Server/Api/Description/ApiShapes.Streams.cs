using Microsoft.OpenApi;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Server.Api.Description;

/// <summary>Streams, their records and groups.</summary>
internal sealed partial class ApiShapes
{
    private IEnumerable<(string, OpenApiSchema)> OfStreams() =>
    [
        ("StreamList", Answer("A page of streams.", Always(WireNames.Streams, List("In the order of their names.", Ref("Stream"))), Always(Next, NextPage()))),
        ("Stream", Answer(
            "A stream.",
            Always(WireNames.Name, Text("Its name.")),
            Always(Partitions, Count("How many partitions it has.")),
            Always(Retention, Ref("StreamRetention")),
            Always(CreatedAt, Time("When it was created.")))),
        ("StreamSettings", Request(
            "What a stream is to be.",
            Perhaps(Partitions, Whole("How many partitions it has; 1 by default. Never changes.", 1, StreamPartitionContext.MaxPartitions)),
            Perhaps(Retention, Ref("StreamRetention")))),
        ("StreamRetention", Request(
            "How long each partition keeps its records. A bound that is null or not named does not hold.",
            Perhaps(MaxAgeMs, OrNull(Above0("Older records are removed."))),
            Perhaps(MaxBytes, OrNull(Whole("The most bytes of keys, headers and bodies.", 1, long.MaxValue))),
            Perhaps(MaxRecords, OrNull(Whole("The most records.", 1, long.MaxValue))))),
        ("StreamStats", Answer(
            "What a stream has.",
            Always(Records, Count("Records that can be read.")),
            Always(Bytes, Count("Bytes of them.")),
            Always(Partitions, List("By number.", Ref("PartitionStats"))))),
        ("PartitionStats", Answer(
            "Where a partition begins and ends.",
            Always(Partition, Count("Its number.")),
            Always(EarliestOffset, Count("The first offset that can be read.")),
            Always(EndOffset, Count("The offset of the next record.")),
            Always(Bytes, Count("Bytes of keys, headers and bodies.")))),
        ("PartitionRemoved", Answer("What became of the partition.", Always(Removed, Flag("Whether there was one.")))),
        ("RecordBatch", Request(
            "Records to append.",
            Perhaps(Records, Batch("In order.", Ref("NewRecord"))),
            Perhaps(Partition, OrNull(PartitionNumber("The partition of those that name none; by the key when it is absent."))),
            Perhaps(ProducerId, OrNull(Text("An idempotent producer's name: a repeat is stored once."))),
            Perhaps(FirstSequence, Count("The producer's sequence number of the first record; each further one has the next.")))),
        ("NewRecord", Request(
            "A record on its way in. It has one of 'body', 'text' and 'json', or no body; and one of 'key' and 'keyBase64', or no key.",
            Perhaps(Body, Base64("The body.")),
            Perhaps(WireNames.Text, Text("The body as text.")),
            Perhaps(Json, new OpenApiSchema { Description = "The body as JSON." }),
            Perhaps(Key, OrNull(Text("The key: records with the same key stand in the same partition, in order."))),
            Perhaps(KeyBase64, Base64("The key, where it is no text.")),
            Perhaps(Headers, HeadersSchema()),
            Perhaps(Timestamp, Time("When it happened; when it was appended, unless set.")),
            Perhaps(Partition, OrNull(PartitionNumber("The partition; by the key when it is absent."))))),
        ("Appended", Answer(
            "Where a record, or the first of several, stands.",
            Always(Partition, Count("The partition.")),
            Always(Offset, Whole("The offset; -1 for a repeat of an append so old that the store no longer knows where it is.", -1, long.MaxValue)),
            Always(Duplicate, Flag("Whether the producer had appended it before, so that it was not stored again.")))),
        ("AppendedBatch", Answer("Where the records stand.", Always(Records, List("In order.", Ref("Appended"))))),
        ("RecordPage", Answer(
            "A page of records.",
            Always(Records, List("In the order of their offsets.", Ref("Record"))),
            Always(NextOffset, Count("Where to read on.")),
            Always(EndOffset, Count("The end of the partition when the page was read.")))),
        ("Record", Answer(
            "A record.",
            Always(Offset, Count("Its offset.")),
            Always(Timestamp, Time("When it was appended, or what its sender said.")),
            Perhaps(Key, Text("Its key.")),
            Perhaps(KeyBase64, Base64("Its key, where it is no text.")),
            Perhaps(Headers, HeadersSchema()),
            Always(Body, Base64("Its body.")))),
        ("FoundOffset", Answer("An offset.", Always(Offset, Count("The offset.")))),
        ("Trim", Request("Which records are removed.", Always(BeforeOffset, Count("Those before this offset.")))),
        .. OfGroups(),
    ];

    private IEnumerable<(string, OpenApiSchema)> OfGroups() =>
    [
        ("GroupNames", Answer("Groups.", Always(Groups, List("In order.", Text("A group."))))),
        ("Group", Answer(
            "Where a group stands.",
            Always(Group, Text("Its name.")),
            Always(Lag, Count("Records that it has not handled, in all.")),
            Always(Positions, List("By partition; those that it never claimed are left out.", Ref("GroupPosition"))))),
        ("GroupPosition", Answer(
            "Where a group stands in one partition.",
            Always(Partition, Count("The partition.")),
            Always(Offset, Count("The committed offset: the next record that it has not handled.")),
            Always(EndOffset, Count("The end of the partition.")),
            Always(Lag, Count("Records that it has not handled.")),
            Always(Owner, OrNull(Text("The member that has the partition; null when none does."))),
            Always(Epoch, Count("The fencing epoch: rises with every claim and every seek.")))),
        ("Seek", Request(
            "Where a group is moved.",
            Perhaps(Partition, OrNull(PartitionNumber("Only this partition; all when it is absent."))),
            Always(To, Text($"Where to: {StartingPoint.Forms}.")))),
    ];

    private static OpenApiSchema PartitionNumber(string description) => Whole(description, 0, StreamPartitionContext.MaxPartitions - 1);
}
