namespace Millrace.Scheduling.Jobs;

/// <summary>A job that is to be enqueued when another one, or a batch, has ended. Immutable; a part of headers and documents.</summary>
internal sealed record JobFollowUp
{
    /// <summary>After which end.</summary>
    public ContinuationOn On { get; init; }

    /// <summary>The value of its header <see cref="JobMessage.JobHeader"/>: name, and version if that is not 1.</summary>
    public required string Job { get; init; }

    /// <summary>The id of its message; null: made of the job and the run that it follows.</summary>
    public string? Id { get; init; }

    /// <summary>Its queue.</summary>
    public required string Queue { get; init; }

    /// <summary>The serialized arguments.</summary>
    public ReadOnlyMemory<byte> Arguments { get; init; }

    /// <summary>The media type of the arguments.</summary>
    public string? ContentType { get; init; }

    /// <summary>How long after that end it is due, in milliseconds.</summary>
    public long Delay { get; init; }

    /// <summary>Its priority.</summary>
    public int Priority { get; init; } = MessagePriority.Default;

    /// <summary>Its ordering key, or null.</summary>
    public string? Key { get; init; }

    /// <summary>Its headers beside those of the job, or null.</summary>
    public Dictionary<string, string>? Headers { get; init; }

    /// <summary>What its own message says about its run.</summary>
    public JobTerms Terms { get; init; } = JobTerms.None;
}
