using System.Diagnostics.CodeAnalysis;
using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;

namespace Millrace.Scheduling;

/// <summary>
/// Enqueues jobs, and looks after those that were. Got from <see cref="MillraceClient.Jobs"/>. The name under which a job is sent is that of its <see cref="JobAttribute"/>; whoever only
/// enqueues needs no registration. Safe for concurrent use.
/// </summary>
public sealed partial class JobClient
{
    private readonly JobEnvironment _environment;
    private readonly JobSenders _senders;
    private readonly JobFollowUps _followUps;
    private readonly JobBatches _batches;
    private readonly UniqueJobs _uniques;

    internal JobClient(JobEnvironment environment)
    {
        _environment = environment;
        _uniques = new UniqueJobs(environment);
        _senders = new JobSenders(environment, _uniques);
        _followUps = new JobFollowUps(environment, _uniques);
        _batches = new JobBatches(environment, _followUps);
        History = new RunHistory(environment.Runs, environment.RunReader);
    }

    /// <summary>The history of runs.</summary>
    public RunHistory History { get; }

    internal JobEnvironment Environment => _environment;

    /// <summary>Enqueues a job, and returns when it is stored.</summary>
    /// <typeparam name="TJob">The type of the job, which says its name.</typeparam>
    /// <param name="job">The job.</param>
    /// <param name="options">The wishes for it; null for none.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the job.</param>
    /// <returns>Its id, or that of the live job with the same unique key.</returns>
    /// <exception cref="MessageValidationException">The job is not valid.</exception>
    /// <exception cref="InvalidMessageException">The job breaks a limit, or the wishes are out of range.</exception>
    /// <exception cref="QueueFullException">The queue is at its bound.</exception>
    public ValueTask<EnqueuedJob> EnqueueAsync<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
        TJob job, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(job);
        return _senders.Get<TJob>(options?.Queue ?? ScheduleDefinition.DefaultQueue).SendAsync(job, options, cancellationToken);
    }

    /// <summary>Enqueues a job that is due after a while.</summary>
    /// <typeparam name="TJob">The type of the job, which says its name.</typeparam>
    /// <param name="job">The job.</param>
    /// <param name="delay">How long until it is due; not negative.</param>
    /// <param name="options">The other wishes for it; null for none.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the job.</param>
    public ValueTask<EnqueuedJob> ScheduleAsync<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
        TJob job, TimeSpan delay, JobOptions? options = null, CancellationToken cancellationToken = default) =>
        EnqueueAsync(job, (options ?? new JobOptions()) with { Delay = delay, DueAt = null }, cancellationToken);

    /// <summary>Enqueues a job that is due at a time.</summary>
    /// <typeparam name="TJob">The type of the job, which says its name.</typeparam>
    /// <param name="job">The job.</param>
    /// <param name="dueAt">When it is due, by the client's clock; a time that has passed means at once.</param>
    /// <param name="options">The other wishes for it; null for none.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the job.</param>
    public ValueTask<EnqueuedJob> ScheduleAsync<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
        TJob job, DateTimeOffset dueAt, JobOptions? options = null, CancellationToken cancellationToken = default) =>
        EnqueueAsync(job, (options ?? new JobOptions()) with { Delay = TimeSpan.Zero, DueAt = dueAt }, cancellationToken);

    /// <summary>Enqueues many jobs in one operation, all or nothing, and returns when they are stored.</summary>
    /// <typeparam name="TJob">The type of the jobs, which says their name.</typeparam>
    /// <param name="jobs">The jobs, in order.</param>
    /// <param name="options">The wishes for each of them; null for none. An id or a unique key would belong to one of them only, and is refused.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the jobs.</param>
    /// <returns>Their ids, in order.</returns>
    public ValueTask<IReadOnlyList<MessageId>> EnqueueBatchAsync<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
        IEnumerable<TJob> jobs, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobs);
        RequireForMany(options);
        return _senders.Get<TJob>(options?.Queue ?? ScheduleDefinition.DefaultQueue)
            .SendAllAsync(jobs as IReadOnlyList<TJob> ?? [.. jobs], options, batch: null, cancellationToken);
    }

    /// <summary>
    /// Enqueues many jobs in one operation, and another one when all of them have ended, well or not: it finds in <see cref="JobContext.Batch"/> how many have failed.
    /// Costs a write of state for each job, shared by those that end at the same time.
    /// </summary>
    /// <typeparam name="TJob">The type of the jobs.</typeparam>
    /// <typeparam name="TCompletion">The type of the job that follows them.</typeparam>
    /// <param name="jobs">The jobs, in order; none is a batch that has ended.</param>
    /// <param name="completion">The job that follows.</param>
    /// <param name="options">The wishes for each of the jobs; null for none.</param>
    /// <param name="completionOptions">The wishes for the job that follows; null for none.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the jobs.</param>
    public async ValueTask<EnqueuedBatch> StartBatchAsync<
        [DynamicallyAccessedMembers(MessageType.Members)] TJob, [DynamicallyAccessedMembers(MessageType.Members)] TCompletion>(
        IEnumerable<TJob> jobs, TCompletion completion, JobOptions? options = null, JobOptions? completionOptions = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobs);
        ArgumentNullException.ThrowIfNull(completion);
        RequireForMany(options);
        IReadOnlyList<TJob> list = jobs as IReadOnlyList<TJob> ?? [.. jobs];
        var batch = JobEnvironment.NewId(_environment.Now).ToString();
        var wishes = completionOptions ?? new JobOptions();
        var next = await _senders.Get<TCompletion>(wishes.Queue).CaptureAsync(completion, ContinuationOn.Any, wishes, cancellationToken).ConfigureAwait(false);
        await _batches.StartAsync(batch, list.Count, next, cancellationToken).ConfigureAwait(false);
        var ids = await _senders.Get<TJob>(options?.Queue ?? ScheduleDefinition.DefaultQueue).SendAllAsync(list, options, batch, cancellationToken).ConfigureAwait(false);
        return new EnqueuedBatch(batch, ids);
    }

    /// <summary>Makes a worker; see <see cref="MillraceClient.JobWorker(JobWorkerOptions?)"/>.</summary>
    internal JobWorker CreateWorker(JobWorkerOptions options, IOccurrenceGate? gate, MillraceTelemetry telemetry)
    {
        ResourceName.Require(options.Queue, "queue");
        options.Validate();
        var settings = _environment.Client.PipelineOf(options.Queue);
        var limits = new JobLimitsSource(_environment, options);
        var jobs = _environment.Options.Jobs.Types.Select(type => new BoundJob(type, settings) { Limits = limits.Of(type) });
        var ending = new JobEnding(_environment, _uniques, _followUps, _batches, gate);
        return new JobWorker(_environment.Client, _environment, new JobRunner(_environment, options.Queue, jobs, ending, gate), options, telemetry);
    }

    private static void RequireForMany(JobOptions? options)
    {
        if (options is { Id.IsEmpty: false } or { UniqueKey: not null })
        {
            throw new InvalidMessageException("The jobs were refused: an id or a unique key belongs to one job. Enqueue them one by one.");
        }
    }
}
