using Microsoft.OpenApi;
using Millrace.Storage.Http.Wire;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Server.Api.Description;

/// <summary>Messages on their way in and out.</summary>
internal sealed partial class ApiShapes
{
    private IEnumerable<(string, OpenApiSchema)> OfMessages() =>
    [
        ("Envelope", Request(
            "A message on its way in. It has one of 'body', 'text' and 'json', or no body.",
            Perhaps(Body, Base64("The body.")),
            Perhaps(WireNames.Text, Text("The body as text; the content type is then text/plain unless set.")),
            Perhaps(Json, new OpenApiSchema { Description = "The body as JSON; the content type is then application/json unless set." }),
            Perhaps(Id, Text("The message's id; assigned by the store when it is empty or absent.", 0, EnvelopeText)),
            Perhaps(ContentType, OrNull(Text("The type of the body.", 1, EnvelopeText))),
            Perhaps(Headers, HeadersSchema()),
            Perhaps(Key, OrNull(Text("Messages with the same key are leased one at a time, in order.", 1, EnvelopeText))),
            Perhaps(Priority, Whole("The priority; 4 by default.", MessagePriority.Lowest, MessagePriority.Highest)),
            Perhaps(DelayMs, Milliseconds("How long until it is due.", MaxDelayMs)),
            Perhaps(TtlMs, TimeToLive()),
            Perhaps(Durability, Words("Whether it is as durable as the store says, or not at all.", "default", "none")))),
        ("Batch", Request("Messages that are stored all or not at all.", Perhaps(Messages, Batch("In order.", Ref("Envelope"))))),
        ("Delay", Request("When a message is due.", Perhaps(DelayMs, Milliseconds("How long from now; at once when it is absent.", MaxDelayMs)))),
        ("Sent", Answer("What became of the message.", Always(Id, Text("Its id.")), Always(Duplicate, Flag("Whether the queue had one with this id, so that it was not stored again.")))),
        ("SentBatch", Answer(
            "What became of the messages.",
            Always(Ids, List("Their ids, in order.", Text("An id."))),
            Perhaps(Duplicates, List("The positions of those that the queue had already.", Count("From 0."))))),
        ("Reached", Answer("How many queues were reached.", Always(Reached, Count("How many.")))),
        ("BrowsePage", Answer("A page of messages.", Always(Messages, List("In order.", Ref("BrowsedMessage"))), Always(Next, NextPage()))),
        ("BrowsedMessage", Answer(
            "A message, with what its queue knows of it.",
            [
                Always(State, Words("Its state.", "ready", "scheduled", "leased")),
                Always(Attempts, Count("Counted deliveries so far.")),
                Perhaps(DueAt, Time("When it is due, if it is not.")),
                Perhaps(LastError, Text("What the last release said.")),
                .. MessageFields(),
            ])),
        ("Delivery", Answer(
            "One lease of one message.",
            [
                Perhaps(WireNames.Token, Token()),
                Always(Attempt, Count("Which delivery of the message it is.")),
                Perhaps(Redelivered, Flag("Whether it was delivered before; false when absent.")),
                .. MessageFields(),
            ])),
        ("DeadLetter", Answer(
            "Why and when a message became a dead letter.",
            Always(Reason, Text("The reason.")),
            Perhaps(LastError, Text("What the last handler said.")),
            Always(Attempts, Count("Counted deliveries.")),
            Always(At, Time("When.")))),
    ];

    private const int EnvelopeText = Storage.EnvelopeRules.MaxTextBytes;

    private Field[] MessageFields() =>
    [
        Always(Id, Text("Its id.")),
        Perhaps(ContentType, Text("The type of its body.")),
        Perhaps(Headers, HeadersSchema()),
        Perhaps(Key, Text("Its key.")),
        Perhaps(Priority, Whole("Its priority; 4 when absent.", MessagePriority.Lowest, MessagePriority.Highest)),
        Always(EnqueuedAt, Time("When the store accepted it.")),
        Perhaps(ExpiresAt, Time("When it expires, if it does.")),
        Perhaps(DeadLetter, Ref("DeadLetter")),
        Always(Body, Base64("Its body.")),
    ];

    private static OpenApiSchema HeadersSchema() =>
        new() { Type = JsonSchemaType.Object, AdditionalProperties = Text("A value."), MaxProperties = Storage.EnvelopeRules.MaxHeaders, Description = "Headers by name." };

    private static OpenApiSchema TimeToLive() =>
        new() { Type = JsonSchemaType.Number, ExclusiveMinimum = "0", Maximum = Number(MaxDelayMs), Description = "How long it lives; for ever when absent." };
}
