using System.Collections.Concurrent;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>
/// The lane of what most callers want: enqueues, completions and leases of plain messages share one script, so that what a script costs once is shared by all. What it leaves undone
/// goes to the lane of its kind. Safe for concurrent use.
/// </summary>
internal sealed class PlainLane
{
    /// <summary>The most messages of one call: a script's stack holds a few thousand values.</summary>
    public const int MaxMessages = 1000;

    // After one that was left undone, so many calls of its kind go to their own lane at once: a queue whose messages have keys, or that is full, stays so for a while.
    private const int CallsElsewhere = 100;

    private readonly QueueCalls _calls;
    private readonly QueuePlace _place;
    private readonly EnqueueLane _enqueues;
    private readonly SettleLane _settles;
    private readonly CallLane<LaneCall> _lane;
    private readonly ConcurrentQueue<PlainBatch> _batches = new();
    private int _enqueuesElsewhere;
    private int _settlesElsewhere;
    private int _leasesElsewhere;

    public PlainLane(QueueCalls calls, QueuePlace place, EnqueueLane enqueues, SettleLane settles)
    {
        (_calls, _place, _enqueues, _settles) = (calls, place, enqueues, settles);
        _lane = new CallLane<LaneCall>(SendAsync);
    }

    public ValueTask EnqueueAsync(EnqueueCall call) =>
        call is { IsPlain: true, Weight: <= MaxMessages } && Takes(ref _enqueuesElsewhere) ? _lane.SendAsync(call) : _enqueues.EnqueueAsync(call);

    /// <summary>Settles.</summary>
    /// <param name="call">The settlements.</param>
    /// <param name="areDistinct">Whether no other call has one of these tokens, and none stands twice here.</param>
    public ValueTask SettleAsync(SettleCall call, bool areDistinct) =>
        areDistinct && call is { AreCompleted: true, Weight: <= MaxMessages } && Takes(ref _settlesElsewhere) ? _lane.SendAsync(call) : _settles.SettleAsync(call);

    public ValueTask LeaseAsync(LeaseCall call) =>
        !call.Lane.Options.SettleOnLease && Takes(ref _leasesElsewhere) ? _lane.SendAsync(call) : call.Lane.LeaseAsync(call);

    private static bool Takes(ref int elsewhere)
    {
        if (Volatile.Read(ref elsewhere) <= 0)
        {
            return true;
        }

        Interlocked.Decrement(ref elsewhere);
        return false;
    }

    private async ValueTask SendAsync(List<LaneCall> calls)
    {
        if (!_batches.TryDequeue(out var batch))
        {
            batch = new PlainBatch();
        }

        foreach (var call in calls)
        {
            batch.Add(call);
        }

        // Each call has its own end here.
        calls.Clear();
        await RunAsync(batch).ConfigureAwait(false);
        batch.Clear();
        _batches.Enqueue(batch);
    }

    private async ValueTask RunAsync(PlainBatch batch)
    {
        var (enqueues, settles, leases) = (ScriptOutcome.More, ScriptOutcome.More, ScriptOutcome.More);
        try
        {
            var command = _place.Call(QueueScripts.Plain, _calls.IsCluster);
            batch.Write(command);
            var reply = await _calls.Executor.ExecuteAsync(command, CancellationToken.None).ConfigureAwait(false);
            if (QueueCalls.OutcomeOf(reply) == ScriptOutcome.Done)
            {
                (enqueues, settles, leases) = Complete(batch, in reply);
            }
        }
        catch (RedisServerException fault) when (fault.Code == "OOM" && batch.Kinds > 1)
        {
            // It says so before anything is changed. Leases and completions need no memory, and must go on.
        }
#pragma warning disable CA1031 // Whatever it is, the callers are told.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            Fail(batch, fault);
            return;
        }

        if (batch.OtherLeases.Count > 0 || enqueues != ScriptOutcome.Done || settles != ScriptOutcome.Done || leases != ScriptOutcome.Done)
        {
            await SendRestAsync(batch, enqueues, settles, leases).ConfigureAwait(false);
        }
    }

    /// <summary>Completes the calls that the script has done.</summary>
    /// <returns>What has become of each kind.</returns>
    private (ScriptOutcome Enqueues, ScriptOutcome Settles, ScriptOutcome Leases) Complete(PlainBatch batch, in RedisReply reply)
    {
        var items = reply.Items;
        var enqueues = (ScriptOutcome)items[1].ToInteger();
        var settles = (ScriptOutcome)items[2].ToInteger();
        var leases = (ScriptOutcome)items[3].ToInteger();
        var salt = (int)items[6].ToInteger();
        if (Note(enqueues, ref _enqueuesElsewhere))
        {
            EnqueueLane.Complete(batch.Enqueues, items[4].ToInteger(), items[5].ToInteger(), salt, []);
        }

        if (Note(settles, ref _settlesElsewhere))
        {
            SettleLane.Finish(batch.Settles, items[7].Bytes.Span, SettleResult.Settled);
        }

        if (Note(leases, ref _leasesElsewhere))
        {
            LeaseLane.Share(batch.Leases, new LeaseAnswer(items[8].ToInteger(), items[9].ToInteger() == 1, salt, items[10], items[11], RedisReply.Null));
        }

        return (enqueues, settles, leases);
    }

    private static bool Note(ScriptOutcome outcome, ref int elsewhere)
    {
        if (outcome == ScriptOutcome.Done)
        {
            return true;
        }

        Volatile.Write(ref elsewhere, CallsElsewhere);
        return false;
    }

    /// <summary>Sends what the script has left undone by the lanes of its kinds.</summary>
    private async ValueTask SendRestAsync(PlainBatch batch, ScriptOutcome enqueues, ScriptOutcome settles, ScriptOutcome leases)
    {
        var rest = new List<Task>();
        if (enqueues != ScriptOutcome.Done && batch.Enqueues.Count > 0)
        {
            rest.Add(CallLane<EnqueueCall>.SendAllAsync(batch.Enqueues, _enqueues.SendAsync).AsTask());
        }

        if (settles != ScriptOutcome.Done && batch.Settles.Count > 0)
        {
            rest.Add(CallLane<SettleCall>.SendAllAsync(batch.Settles, _settles.SendAsync).AsTask());
        }

        if (leases != ScriptOutcome.Done && batch.Leases.Count > 0)
        {
            rest.Add(CallLane<LeaseCall>.SendAllAsync(batch.Leases, batch.Leases[0].Lane.SendAsync).AsTask());
        }

        foreach (var call in batch.OtherLeases)
        {
            rest.Add(CallLane<LeaseCall>.SendAllAsync([call], call.Lane.SendAsync).AsTask());
        }

        await Task.WhenAll(rest).ConfigureAwait(false);
    }

    private static void Fail(PlainBatch batch, Exception fault)
    {
        foreach (LaneCall call in (IEnumerable<LaneCall>)[.. batch.Enqueues, .. batch.Settles, .. batch.Leases, .. batch.OtherLeases])
        {
            call.Fail(fault);
        }
    }
}
