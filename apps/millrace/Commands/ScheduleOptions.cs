using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Millrace.Scheduling;
using Millrace.Scheduling.Triggers;

namespace Millrace.App.Commands;

/// <summary>The options that say what a schedule is.</summary>
internal sealed class ScheduleOptions
{
    private readonly Option<string?> _cron = new("--cron")
    {
        Description = "When it is due: a cron expression of 5 fields, or of 6 with seconds first; or @hourly and the like.",
        HelpName = "EXPRESSION",
    };

    private readonly Option<string?> _every = new("--every") { Description = "It is due again and again after this time: 30s, 5m, 1h30m.", HelpName = "DURATION" };
    private readonly Option<string?> _at = new("--at") { Description = "It is due once, at this time: 2027-01-01T00:00:00Z, or without 'Z' in the zone of --zone.", HelpName = "TIME" };
    private readonly Option<string?> _zone = new("--zone") { Description = "The time zone of --cron or --at, such as Europe/Berlin; UTC unless set.", HelpName = "ZONE" };
    private readonly Option<string?> _job = new("--job") { Description = "Run this job.", HelpName = "NAME" };
    private readonly Option<int> _jobVersion = Arguments.Number("--job-version", "The version of the job's arguments; 1 unless set.", 1);
    private readonly Option<string?> _arguments = new("--arguments") { Description = "The job's arguments; {} unless set.", HelpName = "JSON" };
    private readonly Option<string?> _message = new("--message") { Description = "Send this text as a message.", HelpName = "TEXT" };
    private readonly Option<string?> _messageJson = new("--message-json") { Description = "Send this JSON as a message.", HelpName = "JSON" };
    private readonly Option<string?> _contentType = new("--content-type") { Description = "The media type of the message; text/plain or application/json unless set.", HelpName = "TYPE" };
    private readonly Option<string?> _queue = new("--queue", "-q")
    {
        Description = $"The queue that it sends to; for a job {ScheduleDefinition.DefaultQueue} unless set, for a message there is none.",
        HelpName = "QUEUE",
    };

    private readonly Option<MisfirePolicy?> _misfire = Policy<MisfirePolicy>(
        "--misfire", "What becomes of occurrences that could not be fired in time: skip, fire-once or fire-all:N, one after the other; fire-once unless set.", ParseMisfire);

    private readonly Option<TimeSpan?> _grace = DurationText.Option("--misfire-grace", "How late an occurrence may be fired without having been missed, 1s to 1d; 30s unless set.");
    private readonly Option<OverlapPolicy?> _overlap = Policy<OverlapPolicy>(
        "--overlap", "What becomes of an occurrence while an earlier one has not ended: skip, buffer-one, allow:N or cancel-running; skip unless set.", ParseOverlap);

    private readonly Option<JobRetry?> _retry = Policy<JobRetry>(
        "--retry",
        "What follows a failure: none, or KIND:ATTEMPTS:DELAY:LONGEST, of kind exponential, fixed, linear or random, such as fixed:5:10s; exponential:10:1s:5m unless set.",
        ParseRetry);

    private readonly Option<TimeSpan?> _timeout = DurationText.Option("--timeout", "How long one attempt of a job may take; any time unless set.");
    private readonly Option<TimeSpan?> _jitter = DurationText.Option("--jitter", "Fire each occurrence up to so much later.");
    private readonly Option<DateTimeOffset?> _start = Time("--start", "The first time at which it may be due.");
    private readonly Option<DateTimeOffset?> _end = Time("--end", "The time from which it is not due any more.");
    private readonly Option<long?> _maxRuns = new("--max-runs") { Description = "How many occurrences are fired in all, without those of run-now.", HelpName = "N" };
    private readonly Option<int> _priority = new("--priority", "-p") { Description = "0 (last) to 9 (first).", HelpName = "N", DefaultValueFactory = _ => MessagePriority.Default };
    private readonly Option<string[]> _tags = new("--tag") { Description = "A word to find it by; may be repeated.", HelpName = "TAG" };
    private readonly Option<string?> _description = new("--description") { Description = "For people.", HelpName = "TEXT" };
    private readonly Option<bool> _disabled = new("--disabled") { Description = "Define it without firing it." };

    private delegate T? ParseWords<T>(string[] words);

    public void AddTo(Command command)
    {
        Option[] options =
        [
            _cron, _every, _at, _zone, _job, _jobVersion, _arguments, _message, _messageJson, _contentType, _queue, _misfire, _grace, _overlap, _retry, _timeout, _jitter, _start, _end,
            _maxRuns, _priority, _tags, _description, _disabled,
        ];
        Array.ForEach(options, command.Add);
    }

    /// <summary>What the command line asks for.</summary>
    /// <exception cref="UsageException">Options that do not go together.</exception>
    /// <exception cref="InvalidTriggerException">The trigger is not valid.</exception>
    public ScheduleDefinition Read(ParseResult arguments, string name)
    {
        var misfire = arguments.GetValue(_misfire) ?? MisfirePolicy.FireOnce;
        var definition = new ScheduleDefinition
        {
            Name = name,
            Trigger = ReadTrigger(arguments),
            Target = ReadTarget(arguments),
            Description = arguments.GetValue(_description),
            Start = arguments.GetValue(_start),
            End = arguments.GetValue(_end),
            Jitter = arguments.GetValue(_jitter) ?? TimeSpan.Zero,
            MaxRuns = arguments.GetValue(_maxRuns),
            Misfire = arguments.GetValue(_grace) is { } grace ? misfire with { Grace = grace } : misfire,
            Overlap = arguments.GetValue(_overlap) ?? OverlapPolicy.Skip,
            Timeout = arguments.GetValue(_timeout),
            Retry = arguments.GetValue(_retry) ?? JobRetry.Default,
            Priority = arguments.GetValue(_priority),
            Tags = arguments.GetValue(_tags) ?? [],
            IsEnabled = !arguments.GetValue(_disabled),
        };
        return arguments.GetValue(_queue) is { } queue ? definition with { Queue = queue } : definition;
    }

    /// <summary>The text of the trigger, in which positions of faults are counted.</summary>
    public string TriggerTextOf(ParseResult arguments) => arguments.GetValue(_cron)
        ?? (arguments.GetValue(_every) is { } every ? $"every {every}" : $"at {arguments.GetValue(_at)}");

    private Trigger ReadTrigger(ParseResult arguments)
    {
        if (new[] { arguments.GetValue(_cron), arguments.GetValue(_every), arguments.GetValue(_at) }.Count(text => text is not null) != 1)
        {
            throw new UsageException("Say when the schedule is due, by one of --cron, --every and --at.");
        }

        var zone = arguments.GetValue(_zone);
        return arguments.GetValue(_cron) is { } cron ? Trigger.Cron(cron, zone) : Trigger.Parse(TriggerTextOf(arguments), zone);
    }

    private ScheduleTarget ReadTarget(ParseResult arguments)
    {
        var (job, message, messageJson) = (arguments.GetValue(_job), arguments.GetValue(_message), arguments.GetValue(_messageJson));
        if (new[] { job, message, messageJson }.Count(text => text is not null) != 1)
        {
            throw new UsageException("Say what the schedule does, by one of --job, --message and --message-json.");
        }

        if (job is null)
        {
            return arguments.GetValue(_arguments) is not null ? throw new UsageException("--arguments are those of a job: they go with --job.")
                : arguments.GetValue(_queue) is null ? throw new UsageException("Say which queue the message goes to, by --queue.")
                : new MessageTarget
                {
                    Body = message is not null ? Encoding.UTF8.GetBytes(message) : Json("--message-json", messageJson!),
                    ContentType = arguments.GetValue(_contentType) ?? (message is not null ? "text/plain" : "application/json"),
                };
        }

        var target = new JobTarget { Job = job, Version = arguments.GetValue(_jobVersion) };
        return arguments.GetValue(_contentType) is not null ? throw new UsageException("--content-type is that of a message: a job's arguments are JSON.")
            : arguments.GetValue(_arguments) is { } json ? target with { Arguments = Json("--arguments", json) }
            : target;
    }

    private static byte[] Json(string option, string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return Encoding.UTF8.GetBytes(text);
        }
        catch (JsonException exception)
        {
            throw new UsageException(string.Create(
                CultureInfo.InvariantCulture, $"{option} takes JSON, and this is none at character {exception.BytePositionInLine + 1} of line {exception.LineNumber + 1}."));
        }
    }

    private static Option<DateTimeOffset?> Time(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
            {
                return time;
            }

            result.AddError($"{name} takes a time such as 2027-01-01T00:00:00Z, not '{text}'.");
            return null;
        },
    };

    private static Option<T?> Policy<T>(string name, string description, ParseWords<T> parse)
        where T : class => new(name)
    {
        Description = description,
        HelpName = "POLICY",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (parse(text.Split(':')) is { } policy)
            {
                return policy;
            }

            result.AddError($"{name} does not take '{text}'. {description}");
            return null;
        },
    };

    private static MisfirePolicy? ParseMisfire(string[] words) => words switch
    {
        ["skip"] => MisfirePolicy.Skip,
        ["fire-once"] => MisfirePolicy.FireOnce,
        ["fire-all"] => MisfirePolicy.FireAll(MisfirePolicy.MostFired),
        ["fire-all", var count] when TryCount(count, MisfirePolicy.MostFired, out var most) => MisfirePolicy.FireAll(most),
        _ => null,
    };

    private static OverlapPolicy? ParseOverlap(string[] words) => words switch
    {
        ["skip"] => OverlapPolicy.Skip,
        ["buffer-one"] => OverlapPolicy.BufferOne,
        ["cancel-running"] => OverlapPolicy.CancelRunning,
        ["allow"] => OverlapPolicy.Allow(),
        ["allow", var count] when TryCount(count, OverlapPolicy.MostOpen, out var most) => OverlapPolicy.Allow(most),
        _ => null,
    };

    private static JobRetry? ParseRetry(string[] words)
    {
        if (words is ["none"])
        {
            return JobRetry.None;
        }

        var retry = JobRetry.Default;
        if (words.Length > 4 || !Enum.TryParse<RetryDelay>(words[0], ignoreCase: true, out var kind) || !char.IsAsciiLetter(words[0][0]))
        {
            return null;
        }

        retry = retry with { Kind = kind };
        if (words.Length > 1)
        {
            if (!TryCount(words[1], JobRetry.MostAttempts, out var attempts))
            {
                return null;
            }

            retry = retry with { MaxAttempts = attempts };
        }

        foreach (var (word, with) in words.Skip(2).Zip(DelaySetters))
        {
            if (!DurationText.TryParse(word, out var delay))
            {
                return null;
            }

            retry = with(retry, delay);
        }

        return retry;
    }

    private static readonly Func<JobRetry, TimeSpan, JobRetry>[] DelaySetters =
    [
        static (retry, delay) => retry with { Delay = delay, MaxDelay = delay > retry.MaxDelay ? delay : retry.MaxDelay },
        static (retry, delay) => retry with { MaxDelay = delay },
    ];

    private static bool TryCount(string text, int most, out int count) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count >= 1 && count <= most;
}
