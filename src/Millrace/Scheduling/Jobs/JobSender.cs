using System.Diagnostics.CodeAnalysis;
using Millrace.Client;
using Millrace.Hosting;
using Millrace.Pipeline;
using Millrace.Serialization;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>Sends jobs of one type to one queue, through the sending pipeline. Safe for concurrent use.</summary>
internal sealed class JobSender<[DynamicallyAccessedMembers(MessageType.Members)] TJob>
{
    private readonly JobEnvironment _environment;
    private readonly JobSenders _senders;
    private readonly UniqueJobs _uniques;
    private readonly string _queue;
    private readonly SendDelegate _store;
    private readonly SendDelegate _capture;
    private readonly MessageHeaders _plain = JobMessage.HeadersOf(JobName<TJob>.Header, JobTerms.None);

    public JobSender(JobEnvironment environment, JobSenders senders, UniqueJobs uniques, string queue)
    {
        ResourceName.Require(queue, "queue");
        (_environment, _senders, _uniques, _queue) = (environment, senders, uniques, queue);
        var settings = environment.Client.PipelineOf(queue);
        _store = SendPipeline.Compose<TJob>(settings, new StoreInQueue(environment.Store).InvokeAsync);
        _capture = SendPipeline.Compose<TJob>(settings, CaptureMessage.InvokeAsync);
    }

    /// <summary>Sends one job.</summary>
    public async ValueTask<EnqueuedJob> SendAsync(TJob job, JobOptions? options, CancellationToken cancellationToken)
    {
        await _environment.Queues.EnsureAsync(_queue, cancellationToken).ConfigureAwait(false);
        var outgoing = new OutgoingMessage<TJob>(job) { Headers = _plain };
        if (options is null)
        {
            await RunAsync(_store, [outgoing], cancellationToken).ConfigureAwait(false);
            return ResultOf(outgoing);
        }

        var now = _environment.Now;
        var terms = await TermsOfAsync(options, now, cancellationToken).ConfigureAwait(false);
        Apply(outgoing, options, terms);
        if (options is not { Track: false, UniqueKey: null })
        {
            return await SendKnownAsync(outgoing, options, terms, now, cancellationToken).ConfigureAwait(false);
        }

        await RunAsync(_store, [outgoing], cancellationToken).ConfigureAwait(false);
        return ResultOf(outgoing);
    }

    /// <summary>Sends many jobs in one operation, all or nothing.</summary>
    /// <param name="jobs">The jobs.</param>
    /// <param name="options">The wishes for each of them; null for none.</param>
    /// <param name="batch">The batch that they make; null if they are just many.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted them.</param>
    public async ValueTask<IReadOnlyList<MessageId>> SendAllAsync(IReadOnlyList<TJob> jobs, JobOptions? options, string? batch, CancellationToken cancellationToken)
    {
        await _environment.Queues.EnsureAsync(_queue, cancellationToken).ConfigureAwait(false);
        var outgoing = new OutgoingMessage[jobs.Count];
        var now = _environment.Now;
        var terms = options is null ? JobTerms.None : await TermsOfAsync(options, now, cancellationToken).ConfigureAwait(false);
        var wishes = options is null ? null : WishesOf(options, terms);
        for (var i = 0; i < outgoing.Length; i++)
        {
            var job = jobs[i];
            ArgumentNullException.ThrowIfNull(job, nameof(jobs));
            var message = new OutgoingMessage<TJob>(job) { Headers = _plain };
            wishes?.Apply(message, _environment.TimeProvider);
            if (batch is not null)
            {
                message.Headers = HeadersOf(options, terms with { Batch = batch, Member = i });
            }

            if (batch is not null || terms.Track)
            {
                message.Id = JobEnvironment.NewId(now);
            }

            outgoing[i] = message;
        }

        if (terms.Track)
        {
            foreach (var message in outgoing)
            {
                await TrackedJob.CreateAsync(_environment, message.Id.ToString(), JobName<TJob>.Header, _queue, now, terms, cancellationToken).ConfigureAwait(false);
            }
        }

        if (outgoing.Length > 0)
        {
            await RunAsync(_store, outgoing, cancellationToken).ConfigureAwait(false);
        }

        return Array.ConvertAll(outgoing, static message => message.Result?.Id ?? message.Id);
    }

    /// <summary>Takes a job through the pipeline, to be kept inside another job's message or in a document.</summary>
    public async ValueTask<JobFollowUp> CaptureAsync(TJob job, ContinuationOn on, JobOptions options, CancellationToken cancellationToken)
    {
        if (options.DueAt is not null)
        {
            throw new InvalidMessageException($"The continuation {JobName<TJob>.Header} was refused: it has a due time. Give it a delay, which counts from the end of the job before.");
        }

        var terms = await TermsOfAsync(options with { Delay = TimeSpan.Zero }, _environment.Now, cancellationToken).ConfigureAwait(false);
        var outgoing = new OutgoingMessage<TJob>(job);
        WishesOf(options, terms).Apply(outgoing, _environment.TimeProvider);
        outgoing.Headers = options.Headers;
        using var bodies = new PooledBuffer();
        var context = new SendContext(_queue, isTopic: false, [outgoing], bodies);
        await _capture(context, cancellationToken).ConfigureAwait(false);
        return new JobFollowUp
        {
            On = on,
            Job = JobName<TJob>.Header,
            Id = options.Id.IsEmpty ? null : options.Id.ToString(),
            Queue = _queue,
            Arguments = bodies[outgoing.Encoded].ToArray(),
            ContentType = outgoing.ContentType,
            Delay = (long)outgoing.Delay.TotalMilliseconds,
            Priority = outgoing.Priority,
            Key = outgoing.Key,
            Headers = outgoing.Headers.Count == 0 ? null : new Dictionary<string, string>(outgoing.Headers),
            Terms = terms,
        };
    }

    /// <summary>Sends a job that documents know of: they are written first, so that whoever runs it finds them.</summary>
    private async ValueTask<EnqueuedJob> SendKnownAsync(OutgoingMessage<TJob> outgoing, JobOptions options, JobTerms terms, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (outgoing.Id.IsEmpty)
        {
            outgoing.Id = JobEnvironment.NewId(now);
        }

        var id = outgoing.Id.ToString();
        if (options.UniqueKey is { } key && await _uniques.ClaimAsync(key, id, _queue, cancellationToken).ConfigureAwait(false) is { } other)
        {
            return new EnqueuedJob(other, IsDuplicate: true);
        }

        var isNew = false;
        try
        {
            if (!options.Id.IsEmpty)
            {
                await TrackedJob.ForgetFailureAsync(_environment, id, cancellationToken).ConfigureAwait(false);
            }

            isNew = options.Track && await TrackedJob.CreateAsync(_environment, id, JobName<TJob>.Header, _queue, now, terms, cancellationToken).ConfigureAwait(false);
            await RunAsync(_store, [outgoing], cancellationToken).ConfigureAwait(false);
            if (!outgoing.IsSuppressed)
            {
                return ResultOf(outgoing);
            }
        }
        catch (Exception exception) when (exception is not BackendUnavailableException { MayHaveBeenApplied: true })
        {
            await WithdrawAsync(id, options, isNew).ConfigureAwait(false);
            throw;
        }

        await WithdrawAsync(id, options, isNew).ConfigureAwait(false);
        return ResultOf(outgoing);
    }

    private async ValueTask WithdrawAsync(string id, JobOptions options, bool isNew)
    {
        if (options.UniqueKey is { } key)
        {
            await _uniques.ReleaseAsync(key, id, CancellationToken.None).ConfigureAwait(false);
        }

        if (isNew)
        {
            await _environment.State.DeleteAsync(JobKeys.OfJob(id), expectedVersion: null).ConfigureAwait(false);
        }
    }

    private void Apply(OutgoingMessage<TJob> outgoing, JobOptions options, JobTerms terms) => WishesOf(options, terms).Apply(outgoing, _environment.TimeProvider);

    private SendOptions WishesOf(JobOptions options, JobTerms terms) => new()
    {
        Priority = options.Priority,
        Key = options.Key,
        Delay = options.Delay,
        DueAt = options.DueAt,
        Id = options.Id,
        Headers = HeadersOf(options, terms),
    };

    private MessageHeaders HeadersOf(JobOptions? options, JobTerms terms)
    {
        if (terms == JobTerms.None && options is null or { Headers.Count: 0 })
        {
            return _plain;
        }

        var headers = options is null or { Headers.Count: 0 } ? _plain : options.Headers.With(JobMessage.JobHeader, JobName<TJob>.Header);
        return terms == JobTerms.None
            ? headers
            : headers.With(JobMessage.OptionsHeader, terms == new JobTerms { Due = terms.Due } ? JobMessage.WriteDueOnly(terms.Due!.Value) : JobMessage.Write(terms));
    }

    private async ValueTask<JobTerms> TermsOfAsync(JobOptions options, DateTimeOffset now, CancellationToken cancellationToken)
    {
        options.Retry?.Validate();
        if (options.Timeout is { } timeout && (timeout < TimerRange.Shortest || timeout > TimerRange.Longest))
        {
            throw new InvalidMessageException($"The job {JobName<TJob>.Header} was refused: its timeout is {timeout}, allowed are 1 ms to 49 days.");
        }

        List<JobFollowUp>? then = null;
        foreach (var planned in options.Continuations)
        {
            (then ??= []).Add(await planned.ToFollowUpAsync(_senders, cancellationToken).ConfigureAwait(false));
        }

        var due = options.DueAt ?? (options.Delay > TimeSpan.Zero ? now + options.Delay : (DateTimeOffset?)null);
        return due is null && options is { Timeout: null, Retry: null, Track: false, UniqueKey: null } && then is null
            ? JobTerms.None
            : new JobTerms
            {
                Due = due?.ToUnixTimeMilliseconds(),
                Timeout = (long?)options.Timeout?.TotalMilliseconds,
                Retry = options.Retry,
                Track = options.Track,
                Unique = options.UniqueKey,
                Then = then,
            };
    }

    private async ValueTask RunAsync(SendDelegate pipeline, OutgoingMessage[] messages, CancellationToken cancellationToken)
    {
        using var bodies = new PooledBuffer();
        await pipeline(new SendContext(_queue, isTopic: false, messages, bodies), cancellationToken).ConfigureAwait(false);
    }

    private static EnqueuedJob ResultOf(OutgoingMessage message) => message.Result switch
    {
        { } result => new EnqueuedJob(result.Id, result.Outcome == EnqueueOutcome.Duplicate),
        null => new EnqueuedJob(default, IsDuplicate: false),
    };
}
