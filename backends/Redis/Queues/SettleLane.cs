using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>Settles deliveries of one queue or dead-letter queue.</summary>
internal sealed class SettleLane
{
    private const byte ReleasedUncounted = 0;
    private const byte Released = 1;
    private const byte DeadLettered = 2;
    private const byte Completed = 3;
    private const int FixedBytes = 14;

    private readonly QueueCalls _calls;
    private readonly QueuePlace _place;
    private readonly CallLane<SettleCall> _lane;
    private readonly ConcurrentQueue<SettleCall> _pool = new();

    public SettleLane(QueueCalls calls, QueuePlace place)
    {
        (_calls, _place) = (calls, place);
        _lane = new CallLane<SettleCall>(SendAsync);
    }

    /// <summary>A call, to be handed to a lane.</summary>
    public SettleCall CallOf(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results)
    {
        if (!_pool.TryDequeue(out var call))
        {
            call = new SettleCall(_pool);
        }

        call.Set(batch, results);
        return call;
    }

    public ValueTask SettleAsync(SettleCall call) => _lane.SendAsync(call);

    /// <summary>Adds what to do with a delivery, as settle.lua reads it.</summary>
    public static void AddWhat(RedisCommand command, in Settlement settlement, TimeSpan maxDelay)
    {
        var reason = settlement.Reason ?? "";
        var reasonBytes = Encoding.UTF8.GetByteCount(reason);
        var into = command.Reserve(FixedBytes + reasonBytes + (settlement.Error is null ? 0 : Encoding.UTF8.GetByteCount(settlement.Error)));
        into[0] = settlement.Kind switch
        {
            SettlementKind.Complete => Completed,
            SettlementKind.DeadLetter => DeadLettered,
            _ => settlement.Uncounted ? ReleasedUncounted : Released,
        };
        into[1] = settlement.Error is null ? (byte)0 : (byte)1;
        BinaryPrimitives.WriteInt64LittleEndian(into[2..], RedisTime.MicrosecondsOf(settlement.Delay < maxDelay ? settlement.Delay : maxDelay));
        BinaryPrimitives.WriteInt32LittleEndian(into[10..], reasonBytes);
        Encoding.UTF8.GetBytes(reason, into[FixedBytes..]);
        Encoding.UTF8.GetBytes(settlement.Error ?? "", into[(FixedBytes + reasonBytes)..]);
    }

    /// <summary>Adds the half of a token that is random.</summary>
    public static void AddKey(RedisCommand command, ulong key) => BinaryPrimitives.WriteUInt64LittleEndian(command.Reserve(sizeof(ulong)), key);

    /// <summary>Adds tokens, as the scripts read them: the numbers of all, then the random halves.</summary>
    public static void AddTokens(RedisCommand command, List<LeaseToken> tokens)
    {
        foreach (var token in tokens)
        {
            command.Add((long)token.Low);
        }

        foreach (var token in tokens)
        {
            AddKey(command, token.High);
        }
    }

    /// <summary>Returns deliveries that were not handled: not counted, and to their places.</summary>
    public static async ValueTask ReturnAsync(QueueCalls calls, QueuePlace place, List<LeaseToken> tokens)
    {
        while (true)
        {
            var command = place.CallSection(QueueScripts.Settle, calls.IsCluster).Add(tokens.Count).Add(0);
            AddTokens(command, tokens);
            foreach (var token in tokens)
            {
                AddWhat(command, Settlement.Release(token, countAttempt: false), RedisQueueStore.MaxDelay);
            }

            // Once returned, a message cannot be returned again by these tokens.
            var reply = await calls.Executor.ExecuteAsync(command.MayRepeat(), CancellationToken.None).ConfigureAwait(false);
            if (QueueCalls.OutcomeOf(reply) != ScriptOutcome.More)
            {
                return;
            }
        }
    }

    /// <summary>Sends calls together, and completes each.</summary>
    public async ValueTask SendAsync(List<SettleCall> calls)
    {
        var (count, areCompleted) = (0, true);
        foreach (var call in calls)
        {
            count += call.Batch.Length;
            areCompleted &= call.AreCompleted;
        }

        var script = areCompleted ? QueueScripts.Complete : QueueScripts.Settle;
        while (true)
        {
            var reply = await _calls.WriteAsync(Build(script, calls, count, areCompleted), CancellationToken.None).ConfigureAwait(false);
            switch (QueueCalls.OutcomeOf(reply))
            {
                case ScriptOutcome.Done:
                    Finish(calls, reply.Items[1].Bytes.Span, SettleResult.Settled);
                    return;
                case ScriptOutcome.More:
                    script = QueueScripts.Settle;
                    break;
                case ScriptOutcome.Deleted:
                    await _calls.ForgetAsync(_place).ConfigureAwait(false);
                    Finish(calls, [], SettleResult.LeaseLost);
                    return;
                case ScriptOutcome.Damaged:
                    await _calls.RequireQueueAsync(_place, ScriptOutcome.Damaged).ConfigureAwait(false);
                    break;
                default:
                    // No queue, no lease.
                    Finish(calls, [], SettleResult.LeaseLost);
                    return;
            }
        }
    }

    private RedisCommand Build(RedisScript script, List<SettleCall> calls, int count, bool areCompleted)
    {
        var command = _place.CallSection(script, _calls.IsCluster).Add(count).Add(areCompleted ? 1 : 0);
        foreach (var call in calls)
        {
            foreach (ref readonly var settlement in call.Batch.Span)
            {
                command.Add((long)settlement.Token.Low);
            }
        }

        foreach (var call in calls)
        {
            foreach (ref readonly var settlement in call.Batch.Span)
            {
                AddKey(command, settlement.Token.High);
            }
        }

        if (!areCompleted)
        {
            foreach (var call in calls)
            {
                foreach (ref readonly var settlement in call.Batch.Span)
                {
                    AddWhat(command, in settlement, RedisQueueStore.MaxDelay);
                }
            }
        }

        return command;
    }

    /// <summary>Completes calls.</summary>
    /// <param name="calls">The calls.</param>
    /// <param name="lost">A digit a settlement, 1 for a lost one; empty when all came out alike.</param>
    /// <param name="unlessLost">How, then.</param>
    public static void Finish(List<SettleCall> calls, ReadOnlySpan<byte> lost, SettleResult unlessLost)
    {
        var index = 0;
        foreach (var call in calls)
        {
            var results = call.Results.Span;
            for (var i = 0; i < call.Batch.Length; i++, index++)
            {
                if (!results.IsEmpty)
                {
                    results[i] = lost.IsEmpty ? unlessLost : lost[index] == '1' ? SettleResult.LeaseLost : SettleResult.Settled;
                }
            }
        }

        // Last, because a call is used again as soon as its caller goes on.
        foreach (var call in calls)
        {
            call.Complete();
        }
    }
}
