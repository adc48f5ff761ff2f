using System.Buffers.Binary;
using System.Collections.Concurrent;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>Stores messages in one queue.</summary>
internal sealed class EnqueueLane
{
    private const int PlainPriorityUnknown = -1;
    private const int PlainPriorityNone = -2;

    private readonly QueueCalls _calls;
    private readonly QueuePlace _place;
    private readonly CallLane<EnqueueCall> _lane;
    private readonly ConcurrentQueue<EnqueueCall> _pool = new();
    private readonly EnqueueCall[] _none = [];

    public EnqueueLane(QueueCalls calls, QueuePlace place)
    {
        (_calls, _place) = (calls, place);
        _lane = new CallLane<EnqueueCall>(SendAsync);
    }

    /// <summary>A call, to be handed to a lane.</summary>
    public EnqueueCall CallOf(ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results)
    {
        if (!_pool.TryDequeue(out var call))
        {
            call = new EnqueueCall(_pool);
        }

        call.Set(batch, results);
        return call;
    }

    public ValueTask EnqueueAsync(EnqueueCall call) => _lane.SendAsync(call);

    /// <summary>Stores a batch in a queue only if that is still the one of a binding.</summary>
    /// <param name="batch">The messages.</param>
    /// <param name="birth">The queue's birth at the binding.</param>
    /// <param name="cancellationToken">Honoured until the command is sent.</param>
    /// <returns>False when it is another one by now, or gone.</returns>
    /// <exception cref="QueueFullException">The batch does not fit.</exception>
    public async ValueTask<bool> EnqueueIfAsync(ReadOnlyMemory<Envelope> batch, string birth, CancellationToken cancellationToken)
    {
        var script = QueueScripts.Enqueue;
        while (true)
        {
            var reply = await _calls.WriteAsync(Build(script, _none, batch, birth), cancellationToken).ConfigureAwait(false);
            switch (QueueCalls.OutcomeOf(reply))
            {
                case ScriptOutcome.Done:
                    return true;
                case ScriptOutcome.More:
                    script = QueueScripts.EnqueueFully;
                    break;
                case ScriptOutcome.Absent:
                    return false;
                case ScriptOutcome.Deleted:
                    await _calls.ForgetAsync(_place).ConfigureAwait(false);
                    return false;
                case ScriptOutcome.Damaged:
                    await _calls.RequireQueueAsync(_place, ScriptOutcome.Damaged).ConfigureAwait(false);
                    break;
                default:
                    throw Full(reply);
            }
        }
    }

    /// <summary>The fault of a batch that does not fit.</summary>
    public static QueueFullException Full(string queue, ScriptOutcome outcome, string bound) =>
        new(queue, outcome == ScriptOutcome.FullLength ? $"maxLength {bound}" : $"maxBytes {bound}");

    private QueueFullException Full(in RedisReply reply) => Full(_place.Name, QueueCalls.OutcomeOf(reply), reply.Items[1].ToText()!);

    /// <summary>Sends calls together, and completes each; those that fail alone are taken out of the list.</summary>
    public async ValueTask SendAsync(List<EnqueueCall> calls)
    {
        var script = QueueScripts.Enqueue;
        while (true)
        {
            var reply = await _calls.WriteAsync(Build(script, calls, default, ""), CancellationToken.None).ConfigureAwait(false);
            switch (QueueCalls.OutcomeOf(reply))
            {
                case ScriptOutcome.Done:
                    var items = reply.Items;
                    Complete(calls, items[1].ToInteger(), items[2].ToInteger(), (int)items[3].ToInteger(), items[4].Bytes.Span);
                    return;
                case ScriptOutcome.More:
                    script = QueueScripts.EnqueueFully;
                    break;
                case ScriptOutcome.Deleted:
                    await _calls.ForgetAsync(_place).ConfigureAwait(false);
                    await _calls.OpenOnDemandAsync(_place, CancellationToken.None).ConfigureAwait(false);
                    break;
                case ScriptOutcome.Absent:
                    await _calls.OpenOnDemandAsync(_place, CancellationToken.None).ConfigureAwait(false);
                    break;
                case ScriptOutcome.Split:
                    await SendEachAsync(calls).ConfigureAwait(false);
                    return;
                case ScriptOutcome.Damaged:
                    await _calls.RequireQueueAsync(_place, ScriptOutcome.Damaged).ConfigureAwait(false);
                    break;
                default:
                    throw Full(in reply);
            }
        }
    }

    /// <summary>Sends calls that do not fit together one after the other, so that one that does not fit fails alone.</summary>
    private async ValueTask SendEachAsync(List<EnqueueCall> calls)
    {
        var one = new List<EnqueueCall>(1);
        var rest = calls.ToArray();

        // The lane fails what is left in its list; each call here has its own end.
        calls.Clear();
        foreach (var call in rest)
        {
            one.Clear();
            one.Add(call);
            try
            {
                await SendAsync(one).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // Whatever it is, the caller is told.
            catch (Exception fault)
#pragma warning restore CA1031
            {
                call.Fail(fault);
            }
        }
    }

    private RedisCommand Build(RedisScript script, IReadOnlyList<EnqueueCall> calls, ReadOnlyMemory<Envelope> alone, string birth)
    {
        var sums = new Sums();
        sums.Add(alone.Span);
        for (var i = 0; i < calls.Count; i++)
        {
            sums.Add(calls[i].Batch.Span);
        }

        var command = _place.Call(script, _calls.IsCluster)
            .Add(sums.Count)
            .Add(calls.Count > 1 ? 1 : 0)
            .Add(sums.Bytes)
            .Add(sums.Largest)
            .Add(sums.PlainPriority >= 0 ? ((char)('0' + sums.PlainPriority)).ToString() : "");
        AddDelays(command, calls, alone, sums.HasDelays ? sums.Count : 0);
        command.Add(birth);
        AddRecords(command, alone.Span);
        for (var i = 0; i < calls.Count; i++)
        {
            AddRecords(command, calls[i].Batch.Span);
        }

        // Whose every message has an id may be sent again: what is stored already is a repeat then (law Q2).
        return sums.HasOnlyIds ? command.MayRepeat() : command;
    }

    private static void AddDelays(RedisCommand command, IReadOnlyList<EnqueueCall> calls, ReadOnlyMemory<Envelope> alone, int count)
    {
        var at = command.Reserve(count * sizeof(long));
        if (count == 0)
        {
            return;
        }

        at = WriteDelays(alone.Span, at);
        for (var i = 0; i < calls.Count; i++)
        {
            at = WriteDelays(calls[i].Batch.Span, at);
        }
    }

    private static Span<byte> WriteDelays(ReadOnlySpan<Envelope> batch, Span<byte> into)
    {
        foreach (ref readonly var envelope in batch)
        {
            BinaryPrimitives.WriteInt64LittleEndian(into, RedisTime.MicrosecondsOf(envelope.Delay));
            into = into[sizeof(long)..];
        }

        return into;
    }

    /// <summary>Adds the records of messages, each as one argument.</summary>
    public static void AddRecords(RedisCommand command, ReadOnlySpan<Envelope> batch)
    {
        foreach (ref readonly var envelope in batch)
        {
            MessageRecord.Write(in envelope, command.Reserve(MessageRecord.Measure(in envelope)));
        }
    }

    /// <summary>Completes calls whose messages were stored.</summary>
    /// <param name="calls">The calls.</param>
    /// <param name="number">The number before that of the first message.</param>
    /// <param name="time">When, in microseconds.</param>
    /// <param name="salt">The queue's, of which ids that it assigned are made.</param>
    /// <param name="repeats">A digit a message, 1 for a repeat; empty when none is one.</param>
    public static void Complete(List<EnqueueCall> calls, long number, long time, int salt, ReadOnlySpan<byte> repeats)
    {
        var index = 0;
        foreach (var call in calls)
        {
            var results = call.Results.Span;
            var batch = call.Batch.Span;
            for (var i = 0; i < batch.Length; i++, index++)
            {
                if (!results.IsEmpty)
                {
                    var id = batch[i].Id.IsEmpty ? new MessageId(AssignedId.Create(time, number + 1 + index, salt)) : batch[i].Id;
                    results[i] = new EnqueueResult(id, repeats.IsEmpty || repeats[index] == '0' ? EnqueueOutcome.Stored : EnqueueOutcome.Duplicate);
                }
            }
        }

        // Last, because a call is used again as soon as its caller goes on.
        foreach (var call in calls)
        {
            call.Complete();
        }
    }

    /// <summary>What the script is told of a batch, so that it need not look at each message of a plain one.</summary>
    private struct Sums()
    {
        public int PlainPriority = PlainPriorityUnknown;
        public int Count;
        public long Bytes;
        public int Largest;
        public bool HasDelays;
        public bool HasOnlyIds = true;

        public void Add(ReadOnlySpan<Envelope> batch)
        {
            Count += batch.Length;
            foreach (ref readonly var envelope in batch)
            {
                Bytes += envelope.Body.Length;
                Largest = Math.Max(Largest, envelope.Body.Length);
                HasDelays |= envelope.Delay > TimeSpan.Zero;
                HasOnlyIds &= !envelope.Id.IsEmpty;
                var isPlain = envelope is { Id.IsEmpty: true, Key: null, TimeToLive: null } && envelope.Delay == TimeSpan.Zero;
                PlainPriority = isPlain && PlainPriority != PlainPriorityNone && (PlainPriority == PlainPriorityUnknown || PlainPriority == envelope.Priority)
                    ? envelope.Priority
                    : PlainPriorityNone;
            }
        }
    }
}
