using System.Text.Json.Serialization;

namespace Millrace.Scheduling;

/// <summary>Where a job stands.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<JobState>))]
public enum JobState
{
    /// <summary>It waits for a worker, for its due time, or to be tried again.</summary>
    Waiting,

    /// <summary>A worker has it.</summary>
    Running,

    /// <summary>It has ended well.</summary>
    Succeeded,

    /// <summary>It has failed for good: its message is a dead letter.</summary>
    Failed,

    /// <summary>It was cancelled.</summary>
    Cancelled,
}
