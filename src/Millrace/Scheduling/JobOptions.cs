using System.Diagnostics.CodeAnalysis;
using Millrace.Scheduling.Jobs;

namespace Millrace.Scheduling;

/// <summary>The wishes for a job, or for each job of a batch. Immutable; <c>with</c> makes variants. A plain job costs one message; what costs more says so.</summary>
public sealed record JobOptions
{
    /// <summary>The queue; <see cref="ScheduleDefinition.DefaultQueue"/> unless set.</summary>
    public string Queue { get; init; } = ScheduleDefinition.DefaultQueue;

    /// <summary>0 (last) to 9 (first); null, the default: 4.</summary>
    public int? Priority { get; init; }

    /// <summary>Jobs with the same key run one at a time, in order. Null, the default: no such order.</summary>
    public string? Key { get; init; }

    /// <summary>How long until it is due; zero, the default: at once. Not together with <see cref="DueAt"/>.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>When it is due, by the client's clock; a time that has passed means at once. Null, the default: see <see cref="Delay"/>.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>How long one attempt may take before its token is cancelled and it has failed; null, the default: as its registration says.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>What follows a failure; null, the default: as its registration says.</summary>
    public JobRetry? Retry { get; init; }

    /// <summary>Whether a record is kept of the job while it lives and for a day after: its state, progress, result and error, and continuations that are added later. Costs three writes of state.</summary>
    public bool Track { get; init; }

    /// <summary>A key that only one live job has: the second enqueue returns the first one's id. 1 to 200 bytes of UTF-8 without control characters. Costs three writes of state.</summary>
    public string? UniqueKey { get; init; }

    /// <summary>An id of the sender's choice: a repeat within the queue's window is enqueued once. Empty, the default: one is made.</summary>
    public MessageId Id { get; init; }

    /// <summary>Headers.</summary>
    public MessageHeaders Headers { get; init; } = MessageHeaders.Empty;

    internal IReadOnlyList<PlannedJob> Continuations { get; private init; } = [];

    /// <summary>These options, with a job that is enqueued when this one has ended. It is kept in the message itself: its arguments and those of further ones must fit into the headers (64 KiB).</summary>
    /// <typeparam name="TNext">The type of the next job.</typeparam>
    /// <param name="next">The next job.</param>
    /// <param name="on">After which end.</param>
    /// <param name="options">The wishes for the next job, which may have continuations of its own; null for none.</param>
    public JobOptions Then<[DynamicallyAccessedMembers(MessageType.Members)] TNext>(
        TNext next, ContinuationOn on = ContinuationOn.Succeeded, JobOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(next);
        return this with { Continuations = [.. Continuations, new PlannedJob<TNext>(next, on, options ?? new JobOptions())] };
    }
}
