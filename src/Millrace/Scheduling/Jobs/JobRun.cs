using Millrace.Scheduling.Schedules;

namespace Millrace.Scheduling.Jobs;

/// <summary>One delivery of a job of which documents or a schedule know: what has been found out about it so far. Used by one handler at a time.</summary>
internal sealed class JobRun(Message message, string header, JobTerms terms)
{
    public MessageId Id => message.Id;

    /// <summary>The id as documents have it.</summary>
    public string Key { get; } = message.Id.ToString();

    /// <summary>The job's name and version, as its message has them.</summary>
    public string Header => header;

    /// <summary>The job's name.</summary>
    public string Name { get; } = header.IndexOf(';', StringComparison.Ordinal) is >= 0 and var separator ? header[..separator] : header;

    public DateTimeOffset EnqueuedAt => message.EnqueuedAt;

    /// <summary>When it was due: by its message, unless it has been put to another time.</summary>
    public DateTimeOffset DueAt => MovedTo ?? DueByMessage;

    /// <summary>To which time it has been put, if it has.</summary>
    public DateTimeOffset? MovedTo { get; set; }

    /// <summary>When it was due by its message.</summary>
    public DateTimeOffset DueByMessage => terms.Due is { } due ? DateTimeOffset.FromUnixTimeMilliseconds(due) : message.EnqueuedAt;

    public JobTerms Terms => terms;

    /// <summary>Which occurrence of a schedule it is, if any.</summary>
    public Occurrence? Occurrence { get; } =
        terms.Schedule is { } schedule ? new Occurrence(schedule, terms.Version, DateTimeOffset.FromUnixTimeMilliseconds(terms.Due ?? 0), message.Id.ToString()) : null;

    /// <summary>The schedule's definition; null for a job that was enqueued by itself.</summary>
    public ScheduleDefinition? Definition { get; set; }

    /// <summary>The record of the job, if it is tracked or was redriven, and the record is still there.</summary>
    public TrackedJob? Tracked { get; set; }

    /// <summary>How it has ended, if a document says so: it is not run again, and what is missing of its end is made up for.</summary>
    public RunRecord? Ended { get; set; }

    /// <summary>The reason of its dead letter, if it has ended by failing and a document says so.</summary>
    public string? Reason { get; set; }

    /// <summary>Whether it had failed once, and its dead letter was redriven.</summary>
    public bool IsRedriven => Tracked?.Document.Redriven is true;

    /// <summary>Whether there was a mark that it is to be cancelled.</summary>
    public bool IsMarked { get; set; }
}
