using System.Text.Json.Serialization;

namespace Millrace.Scheduling;

/// <summary>How a run, or an occurrence that did not become one, has ended.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<RunOutcome>))]
public enum RunOutcome
{
    /// <summary>It returned.</summary>
    Succeeded,

    /// <summary>An attempt failed, and will be repeated.</summary>
    Retried,

    /// <summary>It failed for good: its message is a dead letter.</summary>
    Failed,

    /// <summary>It was cancelled, by a user or by a later occurrence.</summary>
    Cancelled,

    /// <summary>It never started: a policy said so, see <see cref="RunRecord.Error"/>.</summary>
    Skipped,

    /// <summary>It is a plain message, and is in its queue; whether anybody has handled it is not known.</summary>
    Sent,
}
