using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>Enqueues the jobs that follow others. May be asked again for the same ones: their ids follow from what they follow, so the queue finds the repeats. Safe for concurrent use.</summary>
internal sealed class JobFollowUps(JobEnvironment environment, UniqueJobs uniques)
{
    /// <summary>Whether a job follows such an end.</summary>
    public static bool Follows(JobFollowUp next, RunOutcome outcome) => next.On switch
    {
        ContinuationOn.Succeeded => outcome == RunOutcome.Succeeded,
        ContinuationOn.Failed => outcome is RunOutcome.Failed or RunOutcome.Cancelled,
        _ => outcome is RunOutcome.Succeeded or RunOutcome.Failed or RunOutcome.Cancelled,
    };

    /// <summary>Enqueues those of a list that follow such an end.</summary>
    /// <param name="list">The jobs.</param>
    /// <param name="run">What they follow.</param>
    /// <param name="outcome">How it has ended.</param>
    /// <param name="isRedriven">Whether it had failed before: what follows that has been enqueued then.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async ValueTask EnqueueAsync(IReadOnlyList<JobFollowUp> list, string run, RunOutcome outcome, bool isRedriven, CancellationToken cancellationToken)
    {
        for (var i = 0; i < list.Count; i++)
        {
            if (Follows(list[i], outcome) && !(isRedriven && Follows(list[i], RunOutcome.Failed)))
            {
                await EnqueueAsync(list[i], list[i].Id ?? IdOf(list, i, run), ended: null, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Enqueues what follows a batch.</summary>
    public ValueTask EnqueueAsync(JobFollowUp completion, JobBatchEnd ended, CancellationToken cancellationToken) =>
        EnqueueAsync(completion, completion.Id ?? IdOf([completion], 0, ended.Id), ended, cancellationToken);

    /// <summary>Enqueues one with a given id.</summary>
    public async ValueTask EnqueueAsync(JobFollowUp next, string id, JobBatchEnd? ended, CancellationToken cancellationToken)
    {
        var now = environment.Now;
        var terms = ended is null && next.Delay == 0 ? next.Terms : next.Terms with { Ended = ended, Due = next.Delay == 0 ? null : now.ToUnixTimeMilliseconds() + next.Delay };
        if (terms.Unique is { } key && await uniques.ClaimAsync(key, id, next.Queue, cancellationToken).ConfigureAwait(false) is not null)
        {
            return;
        }

        if (terms.Track)
        {
            await TrackedJob.CreateAsync(environment, id, next.Job, next.Queue, now, terms, cancellationToken).ConfigureAwait(false);
        }

        await environment.Queues.EnsureAsync(next.Queue, cancellationToken).ConfigureAwait(false);
        var headers = MessageHeaders.Create(next.Headers ?? []).With(JobMessage.JobHeader, next.Job);
        var envelope = new Envelope(next.Arguments)
        {
            Id = id,
            ContentType = next.ContentType,
            Headers = terms == JobTerms.None ? headers : headers.With(JobMessage.OptionsHeader, JobMessage.Write(terms)),
            Key = next.Key,
            Priority = next.Priority,
            Delay = TimeSpan.FromMilliseconds(next.Delay),
        };
        await environment.Store.EnqueueAsync(next.Queue, new[] { envelope }, Memory<EnqueueResult>.Empty, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The id of the job at a place of a list: <c>NEXT@RUN</c>; the second one of the same name is <c>NEXT#2@RUN</c>.</summary>
    public static string IdOf(IReadOnlyList<JobFollowUp> list, int index, string run)
    {
        var job = list[index].Job;
        var number = 1;
        for (var i = 0; i < index; i++)
        {
            number += list[i].Job == job ? 1 : 0;
        }

        return Within(number == 1 ? $"{job}@" : string.Create(CultureInfo.InvariantCulture, $"{job}#{number}@"), run);
    }

    /// <summary>The id of a continuation that was added later, which must differ from those of all others.</summary>
    public static string NewIdOf(string job, string run) => Within($"{job}#{Guid.NewGuid():N}@", run);

    /// <summary>Chains of continuations would outgrow what an id may have: a long run is named by its hash.</summary>
    private static string Within(string start, string run) =>
        Encoding.UTF8.GetByteCount(start) + Encoding.UTF8.GetByteCount(run) <= EnvelopeRules.MaxTextBytes
            ? start + run
            : start + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(run)))[..32];
}
