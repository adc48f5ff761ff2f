using Microsoft.OpenApi;
using Millrace.Storage.Http.Wire;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Server.Api.Description;

/// <summary>What the instance is; queues as a whole.</summary>
internal sealed partial class ApiShapes
{
    private const long MaxDelayMs = 3650L * 24 * 60 * 60 * 1000;
    private const long MaxDedupWindowMs = 365L * 24 * 60 * 60 * 1000;
    private const long LongestMs = long.MaxValue / TimeSpan.TicksPerMillisecond;

    private IEnumerable<(string, OpenApiSchema)> OfNode() =>
    [
        ("Node", Answer(
            "What the instance is and can do.",
            Always(WireNames.Version, Text("The server's version.")),
            Always(Backend, Text("The backend behind the instance.")),
            Always(Shapes, List("What it has.", Words("A contract.", "queue", "queue-administration", "queue-routing", "queue-transactions", "channel", "lock", "state", "stream"))),
            Always(MaxWaitMs, Milliseconds("The longest wait of one long poll.", LongestMs)),
            Always(MaxRequestBytes, Count("The largest body of a request.")),
            Perhaps(WireNames.Queues, Ref("QueueCapabilities")),
            Perhaps(WireNames.Streams, Ref("StreamCapabilities")))),
        ("StreamCapabilities", Answer(
            "What the streams of the instance can do.",
            Always(Durability, Words("What an acknowledgement survives.", "none", "process", "full", "engine")),
            Always(MaxRecordBytes, Count("The most bytes of key, headers and body of one record.")),
            Always(MaxAppendBytes, Count("The most bytes of keys, headers and bodies of one append.")))),
        ("QueueCapabilities", Answer(
            "What the queues of the instance can do.",
            Always(Durability, Words("What an acknowledgement survives.", "none", "process", "full", "engine")),
            Always(Features, List(
                "The laws that they keep beyond those that all keep.",
                Words("A law.", "atomic-batches", "deduplication", "priorities", "counts-attempts", "ordered-keys", "bounds", "browsing"))),
            Always(WireNames.MaxDelayMs, Milliseconds("The longest delay and time to live.", LongestMs)),
            Always(MaxBodyBytes, Count("The largest body of a message.")),
            Always(MaxHeaderBytes, Count("The most bytes of a message's headers, names and values together.")),
            Always(DefaultMaxBytes, Count("The bound of a queue whose settings name none, in bytes of bodies.")))),
    ];

    private static IEnumerable<(string, OpenApiSchema)> OfQueues() =>
    [
        ("QueueNames", Answer("A page of names.", Always(WireNames.Queues, List("In order.", Text("A queue."))), Always(Next, NextPage()))),
        ("Created", Answer("What became of it.", Always(Created, Flag("Whether it was created; false when it was there.")))),
        ("Removed", Answer("How many messages were removed.", Always(Removed, Count("How many.")))),
        ("Moved", Answer("How many messages were moved.", Always(Moved, Count("How many.")))),
        ("QueueSettings", Request(
            "The settings of a queue. What is not named is as by default.",
            Perhaps(MaxDeliveries, Whole("How many counted deliveries a message gets before it becomes a dead letter; 10 by default.", 1, 1_000_000)),
            Perhaps(MaxLength, Whole("The most messages; 20 million by default.", 1, long.MaxValue)),
            Perhaps(MaxBytes, OrNull(Whole("The most bytes of bodies; null for the instance's default.", 1, long.MaxValue))),
            Perhaps(Overflow, Words("What happens at a bound.", "refuse", "drop-oldest")),
            Perhaps(DeadLetterExpired, Flag("Whether expired messages become dead letters; false by default.")),
            Perhaps(DeleteAfterIdleMs, OrNull(Above0("The queue is deleted when it has been empty and unused for so long; null: never."))),
            Perhaps(DedupWindowMs, Milliseconds("How long the id of a settled message is still refused; 10 minutes by default.", MaxDedupWindowMs)),
            Perhaps(DedupMaxEntries, Whole("The most ids that are remembered; 1 million by default.", 0, int.MaxValue)))),
        ("QueueStats", Answer(
            "The counts of a queue: what is there, and what has happened since the instance was opened.",
            Always(Ready, Count("Messages that wait to be leased.")),
            Always(Scheduled, Count("Messages that are not due.")),
            Always(Leased, Count("Messages that a receiver has.")),
            Always(Dead, Count("Dead letters.")),
            Always(Bytes, Count("Bytes of bodies.")),
            Always(OldestReadyAgeMs, OrNull(Milliseconds("How long the oldest ready message has waited; null when none does.", LongestMs))),
            Always(Enqueued, Count("Messages stored.")),
            Always(Completed, Count("Messages completed.")),
            Always(Duplicates, Count("Repeats that were not stored.")),
            Always(Expired, Count("Messages that expired.")),
            Always(Dropped, Count("Messages dropped to make room.")),
            Always(DeadLettered, Count("Messages that became dead letters.")),
            Always(DedupEvictions, Count("Ids forgotten before their time.")))),
        ("DeadLetterFilter", Request(
            "Which dead letters are meant; all conditions must hold.",
            Perhaps(Id, Text("Only the one with this id; empty for any.")),
            Perhaps(Reason, OrNull(Text("Only those with this reason."))),
            Perhaps(ErrorContains, OrNull(Text("Only those whose last error contains this text."))),
            Perhaps(Since, OrNull(Time("Only those that died at or after this time."))),
            Perhaps(WireNames.Limit, OrNull(Count("At most so many."))))),
        ("Bindings", Answer("Bindings.", Always(Bindings, List("Each of them.", BindingSchema())))),
    ];

    private static OpenApiSchema BindingSchema() => Answer("A binding.", Always(Queue, Text("The queue.")), Always(Pattern, Text("The pattern of topics.")));

    private static OpenApiSchema NextPage() => OrNull(Text("Where the next page begins; null when this is the last."));

    // No time of 0 is meant, and the smallest is a tick.
    private static OpenApiSchema Above0(string description) =>
        new() { Type = JsonSchemaType.Number, ExclusiveMinimum = "0", Maximum = Number(LongestMs), Description = description };
}
