using Microsoft.OpenApi;
using Millrace.Storage.Http.Wire;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Server.Api.Description;

/// <summary>Channels, locks, state, and problems.</summary>
internal sealed partial class ApiShapes
{
    private IEnumerable<(string, OpenApiSchema)> OfChannels() =>
    [
        ("Published", Answer("The message as it was published.", Always(Id, Text("Its id in the channel.")))),
        ("ChannelMessages", Answer("Messages.", Always(Messages, List("Oldest first.", Ref("ChannelMessage"))))),
        ("ChannelMessage", Answer(
            "A message of a channel, or a gap: then it has nothing but its id and 'gap'.",
            Always(Id, Text("Its id: two numbers with a hyphen between.")),
            Perhaps(Gap, Flag("Whether messages are missing here.")),
            Perhaps(Topic, Text("Its topic.")),
            Perhaps(ContentType, Text("The type of its body.")),
            Perhaps(Headers, HeadersSchema()),
            Perhaps(PublishedAt, Time("When it was published.")),
            Perhaps(Body, Base64("Its body.")))),
    ];

    private static IEnumerable<(string, OpenApiSchema)> OfLocks() =>
    [
        ("LockHolder", Answer(
            "Who holds a lock.",
            Always(Owner, Text("The owner.")),
            Always(FencingToken, Fencing()),
            Always(RemainingMs, Milliseconds("How long the lease still runs.", LongestMs)))),
        ("LockAcquisition", Request("Who wants a lock, and for how long.", Always(Owner, Name("The owner.")), Always(LeaseMs, LockLease()))),
        ("LockRenewal", Request("Which grant is prolonged.", Always(Owner, Name("The owner.")), Always(FencingToken, Fencing()), Always(LeaseMs, LockLease()))),
        ("LockRelease", Request("Which grant is given up.", Always(Owner, Name("The owner.")), Always(FencingToken, Fencing()))),
        ("LockGrant", Answer("A grant.", Always(FencingToken, Fencing()), Always(LeaseMs, Milliseconds("How long it holds.", LongestMs)))),
    ];

    private IEnumerable<(string, OpenApiSchema)> OfState() =>
    [
        ("StatePage", Answer(
            "A page of documents.",
            Always(Revision, Count("The store's revision when the page was read.")),
            Always(Documents, List("In order of their keys.", Ref("StateDocument"))),
            Always(Next, NextPage()))),
        ("StateDocument", Answer(
            "A document.",
            Always(Key, Text("Its key.")),
            Always(WireNames.Version, Count("Its version.")),
            Always(Value, Base64("Its value.")))),
        ("StateWritten", Answer("The document after the write.", Always(WireNames.Version, Count("Its version; 0 when there is none.")))),
        ("Revision", Answer("The store's revision.", Always(Revision, Count("Now.")))),
    ];

    private static IEnumerable<(string, OpenApiSchema)> OfProblems() =>
    [
        ("Problem", Answer(
            "What is wrong (RFC 9457).",
            Always(WireNames.Type, Text("The code as a URN.")),
            Always(Title, Text("What kind of problem it is.")),
            Always(Status, Whole("The status of the answer; for one operation of several, that which it would have had alone.", 400, 599)),
            Always(Detail, Text("What is wrong in this case, and what to do.")),
            Always(Code, Words("What programs look at.", ProblemCodes.All.Select(problem => problem.Code))),
            Perhaps(WireNames.Name, Text("The name that it is about.")),
            Perhaps(Kind, Text("The kind of that name, or the capability that is missing.")),
            Perhaps(Reason, Text("Why a name is wrong, or which bound a queue has reached.")),
            Perhaps(Available, List("The backends that have the missing capability.", Text("A backend."))),
            Perhaps(Partition, Count("The partition of a stream in which an offset was trimmed.")),
            Perhaps(Offset, Count("The offset that was trimmed.")),
            Perhaps(EarliestOffset, Count("The earliest offset that can be read.")),
            Perhaps(ResumeOffset, Count("Where reading can go on behind damage.")),
            Always(Transient, Flag("Whether the same request may succeed later.")),
            Perhaps(MayHaveBeenApplied, Flag("Whether it may have been done all the same; false when absent.")))),
    ];

    private static OpenApiSchema Fencing() => Whole("The fencing token of the grant.", long.MinValue, long.MaxValue);

    private static OpenApiSchema LockLease() =>
        new() { Type = JsonSchemaType.Number, ExclusiveMinimum = "0", Maximum = Number(ReceiverEndpoints.LongestLeaseMs), Description = "How long the grant holds without renewal." };
}
