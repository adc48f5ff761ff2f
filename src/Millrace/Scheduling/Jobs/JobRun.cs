using Millrace.Scheduling.Schedules;

namespace Millrace.Scheduling.Jobs;

/// <summary>One delivery of a job of which documents or a schedule know: what has been found out about it so far. Used by one handler at a time.</summary>
internal sealed class JobRun(MessageId id, string name, JobTerms terms)
{
    public MessageId Id => id;

    /// <summary>The id as documents have it.</summary>
    public string Key { get; } = id.ToString();

    /// <summary>The job's name.</summary>
    public string Name => name;

    public JobTerms Terms => terms;

    /// <summary>Which occurrence of a schedule it is, if any.</summary>
    public Occurrence? Occurrence { get; } =
        terms.Schedule is { } schedule ? new Occurrence(schedule, terms.Version, DateTimeOffset.FromUnixTimeMilliseconds(terms.Due ?? 0), id.ToString()) : null;

    /// <summary>The schedule's definition; null for a job that was enqueued by itself.</summary>
    public ScheduleDefinition? Definition { get; set; }

    /// <summary>The record of the job, if it is tracked and the record is still there.</summary>
    public TrackedJob? Tracked { get; set; }

    /// <summary>How it has ended, if a document says so: it is not run again, and what is missing of its end is made up for.</summary>
    public RunRecord? Ended { get; set; }

    /// <summary>Whether there was a mark that it is to be cancelled.</summary>
    public bool IsMarked { get; set; }
}
