using System.Text.Json.Serialization;

namespace Millrace.Scheduling.Jobs;

/// <summary>
/// What a job's message says about its run, beside the arguments: the header <see cref="JobMessage.OptionsHeader"/> as an object. Immutable. <see cref="None"/> for a message without that header.
/// </summary>
internal sealed record JobTerms
{
    /// <summary>Nothing.</summary>
    public static JobTerms None { get; } = new();

    /// <summary>When the job is due, in milliseconds since 1970; null: when its message was stored.</summary>
    public long? Due { get; init; }

    /// <summary>How long one attempt may take, in milliseconds; null: as long as it wants.</summary>
    public long? Timeout { get; init; }

    /// <summary>What follows a failure; null: what the schedule or the job's registration says.</summary>
    public JobRetry? Retry { get; init; }

    /// <summary>Whether there is a document about the job.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Track { get; init; }

    /// <summary>The unique key of which it is the live job, or null.</summary>
    public string? Unique { get; init; }

    /// <summary>The batch that it is a member of, or null.</summary>
    public string? Batch { get; init; }

    /// <summary>Its number in the batch, from 0.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Member { get; init; }

    /// <summary>The jobs that follow it, or null.</summary>
    public IReadOnlyList<JobFollowUp>? Then { get; init; }

    /// <summary>How the batch has ended that it follows, or null.</summary>
    public JobBatchEnd? Ended { get; init; }

    /// <summary>The schedule that it is an occurrence of, or null.</summary>
    public string? Schedule { get; init; }

    /// <summary>The version of the schedule's definition.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Version { get; init; }
}
