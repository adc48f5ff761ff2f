using System.Text.Json;
using System.Text.Json.Nodes;
using Millrace.Scheduling;
using Millrace.Scheduling.Triggers;
using Millrace.Serialization;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Tests.Api.Description;

/// <summary>What the wire writes of objects that have everything: whoever adds a field to the wire meets the tests that compare these with the description.</summary>
internal static class WireSamples
{
    private static readonly DateTimeOffset Now = new(2026, 1, 31, 8, 30, 0, TimeSpan.Zero);

    private static readonly Envelope Envelope = new("body"u8.ToArray())
    {
        Id = "id",
        ContentType = "text/plain",
        Headers = MessageHeaders.Create([new("name", "value")]),
        Key = "key",
        Priority = 9,
        Delay = TimeSpan.FromSeconds(1),
        TimeToLive = TimeSpan.FromMinutes(1),
        Durability = MessageDurability.None,
    };

    private static readonly Message Message = new()
    {
        Id = "id",
        Body = "body"u8.ToArray(),
        ContentType = "text/plain",
        Headers = MessageHeaders.Create([new("name", "value")]),
        Key = "key",
        Priority = 9,
        EnqueuedAt = Now,
        ExpiresAt = Now,
        DeadLetter = new DeadLetterInfo("reason", "error", 3, Now),
    };

    private static readonly StreamRecord Record = new() { Offset = 1, Timestamp = Now, Key = "k"u8.ToArray(), Headers = MessageHeaders.Create([new("name", "value")]), Body = "body"u8.ToArray() };

    private static readonly RunTimes Times = new(TimeSpan.Zero, TimeSpan.FromTicks(15), TimeSpan.FromDays(1), TimeSpan.FromHours(1));

    private static readonly LeaseToken Token = new(1, 2);

    private static ScheduleInfo Schedule() => new()
    {
        Definition = new ScheduleDefinition { Name = "s", Trigger = Trigger.Parse("every 5m"), Target = new JobTarget { Job = "j" } },
        Version = 2,
        Source = "api",
        CreatedAt = Now,
        Status = ScheduleStatus.Active,
        NextDue = Now,
        OpenRuns = ["s@2@5"],
        LastOutcome = RunOutcome.Failed,
        LastScheduledAt = Now,
        LastFinishedAt = Now,
        LastError = "error",
    };

    private static RunRecord Run() => new()
    {
        Run = "s@2@5",
        Job = "j",
        Schedule = "s",
        Queue = "q",
        Outcome = RunOutcome.Succeeded,
        ScheduledAt = Now,
        ScheduledUntil = Now,
        Count = 2,
        StartedAt = Now,
        FinishedAt = Now,
        Duration = TimeSpan.FromTicks(15),
        Node = "host/1",
        Attempt = 1,
        Error = "error",
        Result = """{"a":[1]}""",
        Progress = 0.5,
        ProgressText = "half",
    };

    private static void WriteObject(Utf8JsonWriter json, Action writeMembers)
    {
        json.WriteStartObject();
        writeMembers();
        json.WriteEndObject();
    }

    /// <summary>Shapes and what was written of them.</summary>
    public static IEnumerable<(string Shape, JsonNode Json)> All() =>
    [
        ("Node", Written(json => NodeWire.Write(json, Node()))),
        ("QueueSettings", Written(json => QueueWire.WriteSettings(json, new QueueSettings { MaxBytes = 1, DeleteAfterIdle = TimeSpan.FromDays(1) }))),
        ("QueueSettings", Written(json => QueueWire.WriteSettings(json, QueueSettings.Default))),
        ("QueueStats", Written(json => QueueWire.WriteStats(json, new QueueStats { OldestReadyAge = TimeSpan.FromTicks(15) }))),
        ("QueueStats", Written(json => QueueWire.WriteStats(json, new QueueStats()))),
        ("DeadLetterFilter", Written(json => QueueWire.WriteFilter(json, new DeadLetterFilter { Id = "id", Reason = "r", ErrorContains = "e", Since = Now, Limit = 1 }))),
        ("Envelope", Written(json => MessageWire.WriteEnvelope(json, Envelope))),
        ("Delivery", Written(json => MessageWire.WriteDelivery(json, new Delivery { Message = Message, Token = Token, Attempt = 2, Redelivered = true }))),
        ("BrowsedMessage", Written(json => MessageWire.WriteBrowsed(json, new BrowsedMessage(Message, MessageState.Scheduled, 1, Now, "error")))),
        ("SentBatch", Written(json => EnqueueResultWire.Write(json, [new("a", EnqueueOutcome.Stored), new("b", EnqueueOutcome.Duplicate)]))),
        ("SettleResult", Written(json => SettleResultWire.Write(json, [SettleResult.Settled, SettleResult.LeaseLost]))),
        ("Settlement", Written(json => SettlementWire.Write(json, Settlement.Complete(Token)))),
        ("Settlement", Written(json => SettlementWire.Write(json, Settlement.Release(Token, TimeSpan.FromSeconds(1), countAttempt: false, "error")))),
        ("Settlement", Written(json => SettlementWire.Write(json, Settlement.DeadLetter(Token, "reason", "error")))),
        ("Schedule", Written(json => ScheduleWire.WriteInfo(json, Schedule()))),
        ("Run", Written(json => WriteObject(json, () => RunWire.WriteMembers(json, Run())))),
        ("RunStatistics", Written(json => WriteObject(json, () => RunWire.WriteMembers(json, new RunStatistics { Duration = Times, Lateness = Times })))),
        ("RunStatistics", Written(json => WriteObject(json, () => RunWire.WriteMembers(json, new RunStatistics())))),
        ("Transaction", Written(json => TransactionWire.Write(json, Transaction()))),
        ("TransactionResult", Written(json => TransactionWire.WriteResult(json, new TransactionResult(false, [Token])))),
        ("ChannelMessage", Written(json => ChannelMessageWire.Write(json, ChannelMessage(isGap: false)))),
        ("ChannelMessage", Written(json => ChannelMessageWire.Write(json, ChannelMessage(isGap: true)))),
        ("LockAcquisition", Written(json => LockWire.WriteRequest(json, "me", null, TimeSpan.FromSeconds(1)))),
        ("LockRenewal", Written(json => LockWire.WriteRequest(json, "me", 1, TimeSpan.FromSeconds(1)))),
        ("LockRelease", Written(json => LockWire.WriteRequest(json, "me", 1, null))),
        ("LockHolder", Written(json => LockWire.WriteHolder(json, new LockHolder("me", 1, TimeSpan.FromSeconds(1))))),
        ("StatePage", Written(json => StateWire.WritePage(json, new StatePage([new StateDocument("key", "v"u8.ToArray(), 1)], 2), "key"))),
        ("Stream", Written(json => StreamWire.WriteInfo(json, new("s", new() { Retention = new() { MaxAge = TimeSpan.FromDays(1), MaxBytes = 1, MaxRecords = 1 } }, Now)))),
        ("Record", Written(json => StreamWire.WriteRecord(json, Record with { Key = new byte[] { 0xff } }, null))),
        ("Record", Written(json => StreamWire.WriteRecord(json, Record, null))),
        ("Problem", Written(new WireProblem(ProblemMap.OffsetOutOfRange, 410, "title", "detail") { Trimmed = new(1, 2, 3) }.Write)),
        ("Problem", Written(new WireProblem(ProblemMap.NotSupported, 501, "title", "detail")
        {
            Subject = "s",
            Kind = "k",
            Reason = "r",
            Available = ["memory"],
            MayHaveBeenApplied = true,
            ResumeOffset = 3,
        }.Write)),
    ];

    private static JsonNode Written(Action<Utf8JsonWriter> write)
    {
        using var body = new PooledBuffer();
        using (var json = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            write(json);
        }

        return JsonNode.Parse(body[..].Span)!;
    }

    private static NodeInfo Node()
    {
        var shapes = Enum.GetValues<NodeShapes>().Aggregate((left, right) => left | right);
        return new NodeInfo("1.2.3", "memory", shapes, new QueueCapabilities { Backend = "memory", Durability = StoreDurability.Engine }, TimeSpan.FromMinutes(1), 1024)
        {
            Streams = new StreamCapabilities { Backend = "memory", Durability = StoreDurability.Engine },
        };
    }

    private static QueueTransaction Transaction() => new QueueTransaction().Enqueue("q", Envelope).Publish("t", Envelope).Settle("q", Settlement.Complete(Token));

    private static ChannelMessage ChannelMessage(bool isGap) => new()
    {
        Id = ChannelMessageId.Parse("1-2", null),
        Topic = "t",
        Body = "body"u8.ToArray(),
        ContentType = "text/plain",
        Headers = MessageHeaders.Create([new("name", "value")]),
        PublishedAt = Now,
        IsGap = isGap,
    };
}
