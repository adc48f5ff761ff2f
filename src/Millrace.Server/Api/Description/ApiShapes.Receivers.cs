using Microsoft.OpenApi;
using Millrace.Storage.Http.Wire;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Server.Api.Description;

/// <summary>Receivers, settlements, and several operations in one request.</summary>
internal sealed partial class ApiShapes
{
    private IEnumerable<(string, OpenApiSchema)> OfReceivers() =>
    [
        ("ReceiverOptions", Request(
            "How a receiver leases.",
            Perhaps(LeaseMs, LeaseMilliseconds("How long a lease holds without renewal; 30 s by default.")),
            Perhaps(SettleOnLease, Flag("Whether leasing settles: at most once. False by default.")))),
        ("Receiver", Answer("An open receiver.", Always(Receiver, Text("Its id, for the path of what is asked of it.")))),
        ("LeaseRequest", Request(
            "One lease call.",
            Always(Call, Whole("Its number, from 1, rising by call: a repeat gets the answer of the first.", 1, long.MaxValue)),
            Perhaps(Max, Whole("The most messages; 1 by default. The server's bound holds too.", 1, long.MaxValue)),
            Perhaps(WaitMs, Milliseconds("How long to wait for a first message; 0 by default. The server's bound holds too.", LongestMs)))),
        ("CancelRequest", Request("Which wait is meant.", Always(Call, Whole("The number of the lease call.", 1, long.MaxValue)))),
        ("Deliveries", Answer("What was leased.", Always(Deliveries, List("In order; none when nothing came in time.", Ref("Delivery"))))),
        ("LostLeases", Answer("What a renewal could not keep.", Always(Lost, List("The leases that were lost.", Token())))),
    ];

    private IEnumerable<(string, OpenApiSchema)> OfSettlements() =>
    [
        ("Settlement", Request(
            "What becomes of a delivery. 'delayMs' and 'count' belong to 'release', 'reason' to 'dead-letter', which needs it; 'error' to both.",
            Always(WireNames.Token, Token()),
            Perhaps(WireNames.Action, Words("What to do; 'complete' by default.", "complete", "release", "dead-letter")),
            Perhaps(DelayMs, Milliseconds("How long until it is due again.", LongestMs)),
            Perhaps(WireNames.Count, Flag("Whether the delivery counts as an attempt; true by default.")),
            Perhaps(Reason, Text("Why it becomes a dead letter.", 1, int.MaxValue)),
            Perhaps(Error, OrNull(Text("What went wrong."))))),
        ("Settlements", Request("Settlements, each with a result of its own.", Perhaps(Settlements, Batch("In order.", Ref("Settlement"))))),
        ("SettleResult", Answer(
            "What became of the settlements.",
            Always(Settled, Count("How many were settled.")),
            Perhaps(Lost, List("The positions of those whose lease had ended.", Count("From 0."))))),
    ];

    private IEnumerable<(string, OpenApiSchema)> OfOperations() =>
    [
        ("Operations", Request("Independent operations.", Perhaps(Operations, Batch("In order.", OneOf("EnqueueOperation", "SettleOperation", "BroadcastOperation"))))),
        ("EnqueueOperation", Request(
            "Sends messages to a queue, all or nothing.",
            Always(Op, Words("Which operation.", "enqueue")),
            Always(Queue, Name("The queue.")),
            Always(Messages, Batch("In order.", Ref("Envelope"))),
            Perhaps(Ids, Flag("Whether the answer has their ids; true by default.")))),
        ("SettleOperation", Request(
            "Settles deliveries of a queue.",
            Always(Op, Words("Which operation.", "settle")),
            Always(Queue, Name("The queue.")),
            Always(Settlements, Batch("In order.", Ref("Settlement"))))),
        ("BroadcastOperation", Request(
            "Publishes to everyone who is subscribed.",
            Always(Op, Words("Which operation.", "broadcast")),
            Always(Topic, Name("The topic.")),
            Always(WireNames.Message, Ref("Envelope")))),
        ("OperationResults", Answer("The results.", Always(Results, List("In the order of the operations.", Ref("OperationResult"))))),
        ("OperationResult", Answer(
            "The result of one operation, or its problem.",
            Perhaps(Result, OneOf("SentBatch", "SettleResult", "Published")),
            Perhaps(Problem, Ref("Problem")))),
        ("Transaction", Request(
            "Operations that are done all or not at all.",
            Perhaps(Operations, Batch("In order.", OneOf("TransactionEnqueue", "TransactionPublish", "TransactionSettle"))))),
        ("TransactionEnqueue", Request(
            "Sends a message to a queue.",
            Always(Op, Words("Which operation.", "enqueue")),
            Always(Queue, Name("The queue.")),
            Always(WireNames.Message, Ref("Envelope")))),
        ("TransactionPublish", Request(
            "Publishes a message into every queue that is bound to the topic.",
            Always(Op, Words("Which operation.", "publish")),
            Always(Topic, Name("The topic.")),
            Always(WireNames.Message, Ref("Envelope")))),
        ("TransactionSettle", Request(
            "Settles a delivery.",
            Always(Op, Words("Which operation.", "settle")),
            Always(Queue, Name("The queue.")),
            Always(Settlement, Ref("Settlement")))),
        ("TransactionResult", Answer(
            "What became of the transaction.",
            Always(Committed, Flag("Whether all of it was done; if not, nothing was.")),
            Always(Lost, List("The leases whose loss made it fail.", Token())))),
    ];

    private OpenApiSchema OneOf(params string[] names) => new() { OneOf = [.. names.Select(Ref)] };

    private static OpenApiSchema Name(string description) => Text(description, 1, ResourceName.MaxBytes);
}
