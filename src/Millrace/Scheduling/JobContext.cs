using Millrace.Scheduling.Jobs;

namespace Millrace.Scheduling;

/// <summary>One attempt at one run of a job: its circumstances, and what it says of itself. Used by one attempt at a time.</summary>
public sealed class JobContext
{
    private readonly JobRunner _runner;
    private readonly JobTerms _terms;
    private readonly long _due;
    private JobProgress? _progress;

    internal JobContext(JobRunner runner, BoundJob bound, MessageId id, int attempt, JobTerms terms, DateTimeOffset due, IServiceProvider services)
    {
        _runner = runner;
        _terms = terms;
        _due = due.UtcTicks;
        Bound = bound;
        Id = id;
        Attempt = attempt;
        Services = services;
    }

    /// <summary>The run: the id of its message, alike for all of its attempts.</summary>
    public MessageId Id { get; }

    /// <summary>The job's name.</summary>
    public string Job => Bound.Type.Name;

    /// <summary>The queue that it came from.</summary>
    public string Queue => _runner.Queue;

    /// <summary>The schedule that it is an occurrence of; null for a job that was enqueued by itself.</summary>
    public string? Schedule => _terms.Schedule;

    /// <summary>When it was due: by its schedule, or as it was enqueued.</summary>
    public DateTimeOffset DueAt => new(_due, TimeSpan.Zero);

    /// <summary>Which attempt this is, from 1.</summary>
    public int Attempt { get; }

    /// <summary>The batch that this job is the completion of, and how it has ended; null for other jobs.</summary>
    public JobBatchEnd? Batch => _terms.Ended;

    /// <summary>The services of this attempt's scope; empty in a program without a service provider.</summary>
    public IServiceProvider Services { get; }

    internal BoundJob Bound { get; }

    /// <summary>What was reported last; null when nothing was.</summary>
    internal ProgressReport? Progress { get; private set; }

    /// <summary>The result as JSON; null when the job has set none.</summary>
    internal string? Result { get; private set; }

    /// <summary>
    /// Says how far the job is, for whoever looks at it. The latest report is kept with the run in the history; while the job runs, it is seen of jobs that are tracked (<see cref="JobOptions.Track"/>,
    /// <see cref="ScheduleDefinition.Track"/>), written at most a few times a second.
    /// </summary>
    /// <param name="fraction">How much is done, 0 to 1.</param>
    /// <param name="text">What is being done; null for nothing to say.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public ValueTask ReportProgressAsync(double fraction, string? text = null, CancellationToken cancellationToken = default)
    {
        if (!(fraction is >= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(fraction), fraction, "The progress of a job is 0 to 1.");
        }

        Progress = new(fraction, text);
        return _progress is null ? default : _progress.ReportAsync(fraction, text, cancellationToken);
    }

    /// <summary>Keeps a result with the run, as JSON; the last one counts, and only if the attempt succeeds.</summary>
    /// <typeparam name="T">The type of the result.</typeparam>
    /// <param name="result">The result.</param>
    /// <exception cref="MessageSerializationException">The result cannot be written, or is larger than 64 KiB.</exception>
    public void SetResult<T>(T result) => Result = _runner.WriteResult(result);

    /// <summary>Where progress goes; nowhere unless the job is tracked.</summary>
    internal void Track(JobProgress progress) => _progress = progress;
}
