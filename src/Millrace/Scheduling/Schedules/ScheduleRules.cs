using Millrace.Hosting;

namespace Millrace.Scheduling.Schedules;

/// <summary>What a definition may say.</summary>
internal static class ScheduleRules
{
    private const int MaxTextLength = 1_000;
    private const int MaxTargetBytes = 256 * 1024;

    private static readonly TimeSpan LongestJitter = TimeSpan.FromDays(1);

    /// <summary>Throws if a definition cannot work.</summary>
    /// <exception cref="MillraceConfigurationException">A value is out of range; names the schedule, the value and what is allowed.</exception>
    /// <exception cref="InvalidNameException">The name of the schedule or of the queue is not valid.</exception>
    public static void Require(ScheduleDefinition definition)
    {
        ScheduleKeys.RequireName(definition.Name);
        ResourceName.Require(definition.Queue, "queue");
        Require(definition, definition.Trigger is not null, "trigger", "null", "a trigger");
        Require(definition, definition.Description is null or { Length: <= MaxTextLength }, "description", $"of {definition.Description?.Length:N0} characters", $"at most {MaxTextLength:N0} characters long");
        Require(definition, definition.Start is null || definition.End is null || definition.Start < definition.End, "end", definition.End, $"after its start ({definition.Start:O})");
        Require(definition, definition.Jitter >= TimeSpan.Zero && definition.Jitter <= LongestJitter, "jitter", definition.Jitter, "0 to a day");
        Require(definition, definition.MaxRuns is null or >= 1, "maxRuns", definition.MaxRuns, "at least 1");
        Require(
            definition,
            definition.Misfire.Grace >= MisfirePolicy.ShortestGrace && definition.Misfire.Grace <= LongestJitter,
            "misfire grace",
            definition.Misfire.Grace,
            $"{MisfirePolicy.ShortestGrace.TotalSeconds:N0} s to a day, as no node wakes at the very instant");
        Require(
            definition, definition.Timeout is null || (definition.Timeout >= TimerRange.Shortest && definition.Timeout <= TimerRange.Longest), "timeout", definition.Timeout, "1 ms to 49 days");
        Require(
            definition,
            definition.Priority is >= MessagePriority.Lowest and <= MessagePriority.Highest,
            "priority",
            definition.Priority,
            $"{MessagePriority.Lowest} to {MessagePriority.Highest}");
        definition.Retry.Validate();
        RequireLabels(definition);
        RequireTarget(definition);
    }

    /// <summary>Throws if a definition will never be due.</summary>
    /// <exception cref="MillraceConfigurationException">It will not.</exception>
    public static void RequireDue(ScheduleDocument schedule)
    {
        if (schedule.Next(schedule.Since) is null)
        {
            throw new MillraceConfigurationException(
                $"The schedule '{schedule.Definition.Name}' is never due after {schedule.Since:yyyy-MM-dd HH:mm:ss}Z: '{schedule.Definition.Trigger}' has no occurrence then. Change the trigger, or its start and end.");
        }
    }

    private static void RequireLabels(ScheduleDefinition definition)
    {
        Require(definition, definition.Tags.Count <= ScheduleDefinition.MostLabels, "tags", definition.Tags.Count, $"at most {ScheduleDefinition.MostLabels}");
        Require(definition, definition.Metadata.Count <= ScheduleDefinition.MostLabels, "metadata", definition.Metadata.Count, $"at most {ScheduleDefinition.MostLabels} entries");
        foreach (var text in definition.Tags.Concat(definition.Metadata.Keys).Concat(definition.Metadata.Values))
        {
            Require(definition, text is { Length: <= MaxTextLength }, "tags and metadata", $"of {text?.Length:N0} characters", $"at most {MaxTextLength:N0} characters long each");
        }
    }

    private static void RequireTarget(ScheduleDefinition definition)
    {
        switch (definition.Target)
        {
            case JobTarget job:
                ResourceName.RequireText(job.Job, "job");
                Require(definition, job.Version >= 1, "job version", job.Version, "at least 1");
                RequireSize(definition, job.Arguments.Length);
                break;
            case MessageTarget message:
                RequireSize(definition, message.Body.Length);
                Require(
                    definition,
                    definition is { Timeout: null } && definition.Retry.Equals(JobRetry.Default) && definition.Overlap.Equals(OverlapPolicy.Skip),
                    "policies",
                    "set",
                    "left as they are: of a plain message nobody knows when it is handled, so that no timeout, retry or overlap policy could have an effect");
                RequireQueue(definition);
                break;
            default:
                Require(definition, false, "target", "null", "a job or a message");
                break;
        }
    }

    private static void RequireQueue(ScheduleDefinition definition)
    {
        if (!definition.NamesQueue)
        {
            throw new MillraceConfigurationException(
                $"The schedule '{definition.Name}' sends a message and names no queue. Name the one that its consumers take it from: only jobs go to the queue '{ScheduleDefinition.DefaultQueue}' "
                + "by themselves, where workers of jobs dead-letter what is no job.");
        }
    }

    private static void RequireSize(ScheduleDefinition definition, int bytes) =>
        Require(definition, bytes <= MaxTargetBytes, "arguments", $"of {bytes:N0} bytes", $"at most {MaxTargetBytes:N0} bytes long");

    private static void Require(ScheduleDefinition definition, bool holds, string field, object? value, string allowed)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException($"The {field} of the schedule '{definition.Name}' must be {allowed}, not {value}.");
        }
    }
}
