namespace Millrace.Scheduling;

/// <summary>What a schedule does when it is due: <see cref="JobTarget"/> or <see cref="MessageTarget"/>. Immutable.</summary>
public abstract record ScheduleTarget
{
    private protected ScheduleTarget()
    {
    }
}

/// <summary>Runs a job.</summary>
public sealed record JobTarget : ScheduleTarget
{
    /// <summary>The job's name; see <see cref="JobAttribute"/>.</summary>
    public required string Job { get; init; }

    /// <summary>The version of its arguments, from 1.</summary>
    public int Version { get; init; } = 1;

    /// <summary>The serialized arguments: JSON unless <see cref="ContentType"/> says otherwise.</summary>
    public ReadOnlyMemory<byte> Arguments { get; init; } = "{}"u8.ToArray();

    /// <summary>The media type of the arguments.</summary>
    public string ContentType { get; init; } = "application/json";

    /// <inheritdoc/>
    public bool Equals(JobTarget? other) =>
        other is not null && (Job, Version, ContentType) == (other.Job, other.Version, other.ContentType) && Arguments.Span.SequenceEqual(other.Arguments.Span);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Job, Version, ContentType, Arguments.Length);
}

/// <summary>Sends a plain message to the schedule's queue, for any consumer. Whether it has been handled is not known: no policy about overlap, timeouts or retries applies.</summary>
public sealed record MessageTarget : ScheduleTarget
{
    /// <summary>The body.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The media type of the body; null if nobody said.</summary>
    public string? ContentType { get; init; }

    /// <summary>Headers; the scheduler adds <c>millrace-schedule</c> and <c>millrace-due</c>.</summary>
    public MessageHeaders Headers { get; init; } = MessageHeaders.Empty;

    /// <inheritdoc/>
    public bool Equals(MessageTarget? other) =>
        other is not null && ContentType == other.ContentType && Body.Span.SequenceEqual(other.Body.Span) && Headers.SequenceEqual(other.Headers);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ContentType, Body.Length, Headers.Count);
}
