using System.Collections.Frozen;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Pipeline;
using Millrace.Queues;
using Millrace.Scheduling.History;
using Millrace.Scheduling.Schedules;
using Millrace.Serialization;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>Handles the deliveries of one job queue. Safe for concurrent use.</summary>
internal sealed partial class JobRunner
{
    private readonly JobEnvironment _environment;
    private readonly FrozenDictionary<string, BoundJob> _jobs;
    private readonly HandleDelegate _pipeline;
    private readonly IServiceScopeFactory? _scopes;
    private readonly JobEnding _ending;
    private readonly IOccurrenceGate? _gate;
    private readonly IMessageSerializer _results;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private readonly DeliveryBound _bound;

    public JobRunner(JobEnvironment environment, string queue, IEnumerable<BoundJob> jobs, JobEnding ending, IOccurrenceGate? gate)
    {
        _environment = environment;
        _jobs = jobs.ToFrozenDictionary(job => job.Type.Header, StringComparer.Ordinal);
        _pipeline = HandlePipeline.ComposeForJobs(environment.Client.PipelineOf(queue));
        _scopes = environment.Options.Services?.GetService<IServiceScopeFactory>();
        _ending = ending;
        _gate = gate;
        _results = environment.Options.Serializers.Get("json");
        _timeProvider = environment.TimeProvider;
        _logger = environment.Logger;
        _bound = new DeliveryBound(environment, queue);
        Queue = queue;
    }

    public string Queue { get; }

    /// <summary>Throws if the queue does not allow as many attempts as a job's policy asks for.</summary>
    /// <exception cref="MillraceConfigurationException">It does not.</exception>
    public ValueTask RequireFitsAsync() => _bound.RequireFitsAsync(_jobs.Values.Select(job => job.Type), CancellationToken.None);

    /// <summary>A message has been handed back without a run, perhaps to wait for a limit.</summary>
    public void WasReturned(Message message)
    {
        if (message.Headers.TryGetValue(JobMessage.JobHeader, out var name) && _jobs.TryGetValue(name, out var job))
        {
            job.Limits?.WasReturned(message.Id);
        }
    }

    /// <summary>Hands back what waits for a limit: the worker stops.</summary>
    public void StopWaiting()
    {
        foreach (var job in _jobs.Values)
        {
            job.Limits?.Close();
        }
    }

    /// <summary>The marks of jobs that are to be cancelled; null where there is no state to keep them in.</summary>
    public JobMarks? Marks { get; set; }

    /// <summary>The marks of jobs that have been put to another time; null where there is no state to keep them in.</summary>
    public JobMarks? Moves { get; set; }

    public string WriteResult<T>(T result)
    {
        const int maxBytes = 64 * 1024;
        using var buffer = new PooledBuffer();
        try
        {
            _results.Serialize(result, buffer);
        }
        catch (Exception exception) when (exception is not (MillraceException or OutOfMemoryException))
        {
            throw new MessageSerializationException($"The result of type {typeof(T).Name} cannot be written as JSON: {exception.Message}", _results.ContentType, exception);
        }

        return buffer.WrittenBytes <= maxBytes
            ? System.Text.Encoding.UTF8.GetString(buffer[..].Span)
            : throw new MessageSerializationException($"The result has {buffer.WrittenBytes:N0} bytes, the limit is {maxBytes:N0}. Store it elsewhere, and return where.", _results.ContentType);
    }

    /// <summary>Handles one delivery.</summary>
    public ValueTask<HandlingResult> HandleAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var headers = delivery.Message.Headers;
        if (!headers.TryGetValue(JobMessage.JobHeader, out var name))
        {
            _logger.MessageRefused(delivery.Message.Id, Queue, NoJobReason, "it has no header millrace-job");
            return new(HandlingResult.DeadLetter(NoJobReason, $"The message has no header {JobMessage.JobHeader}: this is a queue of jobs."));
        }

        var due = delivery.Message.EnqueuedAt;
        if (headers.TryGetValue(JobMessage.OptionsHeader, out var text))
        {
            if (!JobMessage.TryReadDueOnly(text, out var milliseconds))
            {
                return HandleKnownAsync(delivery, name, cancellationToken);
            }

            due = DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
        }

        return _jobs.TryGetValue(name, out var job) && job.Limits is null && !IsAmong(Marks, delivery.Message.Id) && !MayHaveMoved(delivery.Message.Id, due)
            ? RunPlainAsync(job, delivery, due, cancellationToken)
            : HandleKnownAsync(delivery, name, cancellationToken);
    }

    private static bool IsAmong(JobMarks? marks, MessageId id) => marks is { IsEmpty: false } && marks.Contains(id.ToString());

    /// <summary>Whether a job may have been put to another time: there is a mark, as far as is known, or it has come before its time.</summary>
    private bool MayHaveMoved(MessageId id, DateTimeOffset due) => IsAmong(Moves, id) || (Moves is not null && due > _timeProvider.GetUtcNow());

    /// <summary>A job of which nothing is known but its message: it is run, and goes into the history with others before its message is settled.</summary>
    private async ValueTask<HandlingResult> RunPlainAsync(BoundJob job, Delivery delivery, DateTimeOffset due, CancellationToken cancellationToken)
    {
        var context = new JobContext(this, job, delivery.Message.Id, delivery.Attempt, JobTerms.None, due, ServicesOfAttempt());
        var startedAt = _timeProvider.GetUtcNow();
        var started = _timeProvider.GetTimestamp();
        var end = delivery.Attempt > job.Type.Options.Retry.MaxAttempts
            ? Exhausted(delivery.Attempt)
            : await AttemptAsync(context, delivery, job.Type.Options.Retry, job.Type.Options.Timeout, default, cancellationToken).ConfigureAwait(false);
        if (end.Outcome is { } outcome)
        {
            _environment.Runs.Add(EntryOf(context, outcome, end.Error, startedAt, _timeProvider.GetElapsedTime(started)));
            if (outcome == RunOutcome.Cancelled)
            {
                await ClearMarkAsync(context.Id.ToString(), CancellationToken.None).ConfigureAwait(false);
            }
        }

        return end.Result;
    }

    private RunEntry EntryOf(JobContext context, RunOutcome outcome, string? error, DateTimeOffset startedAt, TimeSpan duration) => new()
    {
        Run = context.Id,
        Job = context.Job,
        Schedule = context.Schedule,
        Queue = Queue,
        Outcome = outcome,
        ScheduledAt = context.DueAt,
        StartedAt = startedAt,
        FinishedAt = startedAt + duration,
        Duration = duration,
        Node = _environment.Node,
        Attempt = context.Attempt,
        Error = error,
        Result = outcome == RunOutcome.Succeeded ? context.Result : null,
        Progress = context.Progress?.Fraction,
        ProgressText = context.Progress?.Text,
    };

    private IServiceProvider ServicesOfAttempt() => _scopes is null ? NoServices.Instance : new AttemptServices(_scopes);

    private async ValueTask ClearMarkAsync(string id, CancellationToken cancellationToken)
    {
        if (Marks is { } marks)
        {
            await _environment.PersistAsync(token => marks.ClearAsync(id, token), cancellationToken).ConfigureAwait(false);
        }
    }
}
