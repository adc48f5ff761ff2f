using System.Collections.ObjectModel;
using Millrace.Scheduling.Triggers;

namespace Millrace.Scheduling;

/// <summary>What a schedule is: when it is due, what it does then, and by which policies. Immutable; validated when it is stored.</summary>
public sealed record ScheduleDefinition
{
    /// <summary>The queue of jobs unless another one is named.</summary>
    public const string DefaultQueue = "jobs";

    /// <summary>The longest name, in bytes of UTF-8: with version and time it makes the id of a message.</summary>
    public const int MaxNameBytes = 120;

    /// <summary>The most tags, and the most entries of metadata.</summary>
    public const int MostLabels = 50;

    private readonly string? _queue;

    /// <summary>The name: 1 to <see cref="MaxNameBytes"/> bytes of UTF-8 without control characters, <c>!</c> and <c>@</c>.</summary>
    public required string Name { get; init; }

    /// <summary>When it is due.</summary>
    public required Trigger Trigger { get; init; }

    /// <summary>What it does.</summary>
    public required ScheduleTarget Target { get; init; }

    /// <summary>The queue that the occurrences go to; <see cref="DefaultQueue"/> unless set. A schedule that sends plain messages must name one: workers of jobs dead-letter what is no job.</summary>
    public string Queue
    {
        get => _queue ?? DefaultQueue;
        init => _queue = value;
    }

    /// <summary>For people; null for none.</summary>
    public string? Description { get; init; }

    /// <summary>The first instant at which it may be due; null, the default: any.</summary>
    public DateTimeOffset? Start { get; init; }

    /// <summary>The instant from which it is not due any more; null, the default: none.</summary>
    public DateTimeOffset? End { get; init; }

    /// <summary>Each occurrence is fired up to so much later, by an amount that depends on the schedule and the occurrence, alike on every node; zero unless set, up to a day.</summary>
    public TimeSpan Jitter { get; init; }

    /// <summary>How many occurrences are fired in all, without skipped ones and those that somebody asked for; null, the default: any number.</summary>
    public long? MaxRuns { get; init; }

    /// <summary>What happens to missed occurrences; <see cref="MisfirePolicy.FireOnce"/> unless set.</summary>
    public MisfirePolicy Misfire { get; init; } = MisfirePolicy.FireOnce;

    /// <summary>What happens while an earlier occurrence has not ended; <see cref="OverlapPolicy.Skip"/> unless set. For a plain message none applies.</summary>
    public OverlapPolicy Overlap { get; init; } = OverlapPolicy.Skip;

    /// <summary>How long one attempt may take before its token is cancelled and it has failed; null, the default: any time.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>What follows a failure; <see cref="JobRetry.Default"/> unless set.</summary>
    public JobRetry Retry { get; init; } = JobRetry.Default;

    /// <summary>0 to 9, see <see cref="MessagePriority"/>; 4 unless set.</summary>
    public int Priority { get; init; } = MessagePriority.Default;

    /// <summary>Words to find it by.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Whatever a user wants to keep with it.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Whether it is fired at all; true unless set. Part of the definition, unlike a pause, which a user sets at run time and a new definition leaves.</summary>
    public bool IsEnabled { get; init; } = true;

    /// <summary>Whether somebody said which queue.</summary>
    internal bool NamesQueue => _queue is not null;
}
