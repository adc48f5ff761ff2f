using System.Globalization;
using System.Text.Json;

namespace Millrace.Scheduling.Jobs;

/// <summary>The form of messages that are jobs, or occurrences of schedules: the one place that writes and reads their headers.</summary>
internal static class JobMessage
{
    /// <summary>The job: its name, and after a semicolon the version of its arguments unless that is 1.</summary>
    public const string JobHeader = "millrace-job";

    /// <summary>What there is to say about the run, as JSON (<see cref="JobTerms"/>); missing when there is nothing.</summary>
    public const string OptionsHeader = "millrace-job-options";

    /// <summary>On plain messages that a schedule sends: its name.</summary>
    public const string ScheduleHeader = "millrace-schedule";

    /// <summary>On plain messages that a schedule sends: when the occurrence is due, in milliseconds since 1970.</summary>
    public const string DueHeader = "millrace-due";

    private const string DueOnlyStart = "{\"due\":";

    /// <summary>The message of one occurrence. Whether it has the schedule's name as its ordering key follows from the policy about overlaps.</summary>
    public static Envelope ForOccurrence(ScheduleDefinition definition, long version, DateTimeOffset due, MessageId id) => definition.Target switch
    {
        JobTarget target => new Envelope(target.Arguments)
        {
            Id = id,
            ContentType = target.ContentType,
            Headers = HeadersOf(JobHeaderOf(target.Job, target.Version), new JobTerms { Schedule = definition.Name, Version = version, Due = due.ToUnixTimeMilliseconds(), Track = definition.Track }),
            Priority = definition.Priority,
            Key = definition.Overlap.Kind is OverlapKind.BufferOne or OverlapKind.CancelRunning ? definition.Name : null,
        },
        MessageTarget target => new Envelope(target.Body)
        {
            Id = id,
            ContentType = target.ContentType,
            Headers = target.Headers
                .With(ScheduleHeader, definition.Name)
                .With(DueHeader, due.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture)),
            Priority = definition.Priority,
        },
        _ => throw new InvalidOperationException($"The target {definition.Target.GetType().Name} makes no message."),
    };

    /// <summary>The value of the header <see cref="JobHeader"/>.</summary>
    public static string JobHeaderOf(string name, int version) => version == 1 ? name : string.Create(CultureInfo.InvariantCulture, $"{name};{version}");

    /// <summary>The headers of a job.</summary>
    public static MessageHeaders HeadersOf(string job, JobTerms terms) =>
        ReferenceEquals(terms, JobTerms.None) ? MessageHeaders.Of((JobHeader, job)) : MessageHeaders.Of((JobHeader, job), (OptionsHeader, Write(terms)));

    /// <summary>The value of the header <see cref="OptionsHeader"/>.</summary>
    public static string Write(JobTerms terms) => JsonSerializer.Serialize(terms, JobJson.Default.JobTerms);

    /// <summary>What a message says about its run.</summary>
    /// <exception cref="MessageSerializationException">The header cannot be read.</exception>
    public static JobTerms TermsOf(MessageHeaders headers)
    {
        if (!headers.TryGetValue(OptionsHeader, out var text))
        {
            return JobTerms.None;
        }

        try
        {
            return JsonSerializer.Deserialize(text, JobJson.Default.JobTerms) ?? JobTerms.None;
        }
        catch (JsonException exception)
        {
            throw new MessageSerializationException($"The header {OptionsHeader} cannot be read: {exception.Message}", contentType: null, exception);
        }
    }

    /// <summary>Reads terms that say nothing but when the job is due, which is what jobs that were scheduled once have, without parsing JSON.</summary>
    public static bool TryReadDueOnly(string terms, out long due)
    {
        due = 0;
        return terms.StartsWith(DueOnlyStart, StringComparison.Ordinal)
            && terms[^1] == '}'
            && long.TryParse(terms.AsSpan(DueOnlyStart.Length, terms.Length - DueOnlyStart.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out due);
    }

    /// <summary>Terms that say nothing but when the job is due.</summary>
    public static string WriteDueOnly(long due) => string.Create(CultureInfo.InvariantCulture, $"{DueOnlyStart}{due}}}");
}
