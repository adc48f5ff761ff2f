using Xunit;

namespace Millrace.Testing.Queues;

/// <summary>The cases of the queue suites' theories.</summary>
internal static class QueueTheories
{
    /// <summary>Names that no queue can have.</summary>
    public static TheoryData<string> BadQueueNames => ["", "a\nb", "a!b", "!dead", "a!dead!dead", "a!Dead", new string('x', 201), new string('ä', 101), "\ud800"];

    /// <summary>Envelopes that no store takes, by the word for what is wrong with them.</summary>
    public static TheoryData<string> BadEnvelopes =>
    [
        "priority -1", "priority 10", "negative delay", "delay over the limit", "no time to live", "negative time to live", "time to live over the limit",
        "body over the limit", "headers over the limit", "too many headers", "id too long", "id with a control character", "empty key", "key too long",
        "key with a control character", "empty content type", "content type too long",
    ];

    /// <summary>Settings that no queue can have, by the name of the wrong one.</summary>
    public static TheoryData<string> BadSettings =>
        ["MaxDeliveries", "MaxLength", "MaxBytes", "Overflow", "DeleteAfterIdle", "DedupWindow", "DedupMaxEntries"];

    /// <summary>The members of the administration that need a queue.</summary>
    public static TheoryData<string> MembersThatNeedAQueue =>
        ["GetSettings", "UpdateSettings", "GetStats", "Browse", "GetMessage", "RemoveMessage", "RescheduleMessage", "Redrive", "Purge"];
}
