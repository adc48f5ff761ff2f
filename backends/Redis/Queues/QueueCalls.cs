using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>Calls scripts on queues: finds their keys, creates them on demand, and calls again what has more to do first.</summary>
internal sealed class QueueCalls(IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys, bool createsQueues)
{
    private readonly ConcurrentDictionary<string, QueuePlace> _places = new(StringComparer.Ordinal);

    // Queues whose names this process has seen to be in the list.
    private readonly ConcurrentDictionary<string, bool> _listed = new(StringComparer.Ordinal);
    private readonly string _names = keys.Single("queues") + "names";
    private readonly string _bindings = keys.Single("queues") + "bindings";

    public IRedisExecutor Executor { get; } = executor;

    public bool IsCluster { get; } = executor.IsCluster;

    /// <summary>Whether what is written waits for replicas.</summary>
    public bool WaitsForReplicas => writes.WaitsForReplicas;

    /// <summary>The names of all queues, in a sorted set.</summary>
    public string NamesKey => _names;

    /// <summary>The bindings of all queues.</summary>
    public string BindingsKey => _bindings;

    /// <summary>A queue or dead-letter queue by name.</summary>
    /// <exception cref="InvalidNameException">No queue can bear the name.</exception>
    public QueuePlace PlaceOf(string queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        if (_places.TryGetValue(queue, out var place))
        {
            return place;
        }

        ResourceName.RequireQueue(queue);
        return _places.GetOrAdd(queue, new QueuePlace(queue, keys));
    }

    public static ScriptOutcome OutcomeOf(in RedisReply reply) => (ScriptOutcome)reply.Items[0].ToInteger();

    /// <summary>Executes a command that changes a queue, and waits for replicas if the URL says so.</summary>
    public ValueTask<RedisReply> WriteAsync(RedisCommand command, CancellationToken cancellationToken) =>
        writes.ExecuteAsync(command, static reply => reply is { Kind: RedisReplyKind.Array, Items.Length: > 0 } && OutcomeOf(reply) != ScriptOutcome.Done, cancellationToken);

    /// <summary>Calls a script on a queue that must exist, as often as it takes.</summary>
    /// <param name="place">The queue.</param>
    /// <param name="script">One with all moves.</param>
    /// <param name="isRepeatable">Whether calling it twice is the same as calling it once.</param>
    /// <param name="add">Adds its arguments behind those that all scripts have.</param>
    /// <param name="cancellationToken">Honoured before each call.</param>
    public async ValueTask<RedisReply> RunAsync(QueuePlace place, RedisScript script, bool isRepeatable, Action<RedisCommand> add, CancellationToken cancellationToken)
    {
        while (true)
        {
            var command = place.Call(script, IsCluster);
            add(command);
            var reply = isRepeatable
                ? await Executor.ExecuteAsync(command.MayRepeat(), cancellationToken).ConfigureAwait(false)
                : await WriteAsync(command, cancellationToken).ConfigureAwait(false);
            switch (OutcomeOf(reply))
            {
                case ScriptOutcome.Done:
                    return reply;
                case ScriptOutcome.More:
                    break;
                default:
                    await RequireQueueAsync(place, OutcomeOf(reply)).ConfigureAwait(false);
                    break;
            }
        }
    }

    /// <summary>Handles that a script found no queue, or none that it can read.</summary>
    /// <exception cref="QueueNotFoundException">There is none.</exception>
    /// <exception cref="StorageCorruptException">It cannot be read.</exception>
    public async ValueTask RequireQueueAsync(QueuePlace place, ScriptOutcome outcome)
    {
        if (outcome == ScriptOutcome.Damaged)
        {
            throw await DamageOfAsync(place).ConfigureAwait(false);
        }

        if (outcome == ScriptOutcome.Deleted)
        {
            await ForgetAsync(place).ConfigureAwait(false);
        }

        throw new QueueNotFoundException(place.Name);
    }

    /// <summary>Opens a queue, creating it if it does not exist and that is allowed.</summary>
    /// <param name="place">The queue.</param>
    /// <param name="creates">Whether to create it.</param>
    /// <param name="settings">Of a new queue.</param>
    /// <param name="receiver">A receiver that is there or goes; null for none.</param>
    /// <param name="presence">For how long the receiver counts as present; zero: it has gone.</param>
    /// <param name="cancellationToken">Honoured before each call.</param>
    /// <returns>The queue's birth, which no two queues of one name share, and whether it was created; null when there is none.</returns>
    public async ValueTask<(string Birth, bool IsNew)?> OpenAsync(
        QueuePlace place, bool creates, QueueSettings settings, string? receiver, TimeSpan presence, CancellationToken cancellationToken) =>
        await OpenAsync(place, creates, settings, receiver, presence, WriteAsync, cancellationToken).ConfigureAwait(false);

    // By a way that waits for replicas if the URL says so, or, where a write follows that does, one that does not: its short wait would be taken for that write's.
    private async ValueTask<(string Birth, bool IsNew)?> OpenAsync(
        QueuePlace place,
        bool creates,
        QueueSettings settings,
        string? receiver,
        TimeSpan presence,
        Func<RedisCommand, CancellationToken, ValueTask<RedisReply>> writeAsync,
        CancellationToken cancellationToken)
    {
        // Before the queue is there: a name without a queue is passed over, and a queue whose creator was cut off before it noted the name would never be found.
        RedisServerException? full = null;
        if (creates && !_listed.ContainsKey(place.Source))
        {
            try
            {
                await Executor.ExecuteAsync(Listing(place), cancellationToken).ConfigureAwait(false);
                _listed[place.Source] = true;
            }
            catch (RedisServerException fault) when (fault.Code == "OOM")
            {
                // A full server makes no queues. One that is there has its name in the list, and is opened to be emptied.
                (full, creates) = (fault, false);
            }
        }

        while (true)
        {
            // A repeat finds the queue that the first call created; only who counts creations would notice.
            var command = place.Call(QueueScripts.Open, IsCluster).Add(creates ? 1 : 0)
                .Add(RandomNumberGenerator.GetInt32(1 << AssignedId.SaltBits)).Add(BinaryPrimitives.ReadInt64LittleEndian(RandomNumberGenerator.GetBytes(8)) & ((1L << 52) - 1));
            QueueStateRecord.WriteSettings(settings, command.Reserve(QueueStateRecord.SettingsBytes));
            command.Add(receiver ?? "").Add(RedisTime.MicrosecondsOf(presence));
            var reply = await writeAsync(command.MayRepeat(), cancellationToken).ConfigureAwait(false);
            switch (OutcomeOf(reply))
            {
                case ScriptOutcome.Done:
                    var isNew = reply.Items[1].ToInteger() == 1;
                    if (isNew)
                    {
                        // Once more: the name may have been taken out with the queue before this one.
                        await writeAsync(Listing(place), CancellationToken.None).ConfigureAwait(false);
                    }

                    return (reply.Items[2].ToText()!, isNew);
                case ScriptOutcome.Deleted:
                    await ForgetAsync(place).ConfigureAwait(false);
                    return null;
                case ScriptOutcome.Absent:
                    return full is null ? null : throw full;
                case ScriptOutcome.Damaged:
                    await RequireQueueAsync(place, ScriptOutcome.Damaged).ConfigureAwait(false);
                    break;
            }
        }
    }

    /// <summary>Opens a queue that is used, creating it on demand.</summary>
    /// <exception cref="QueueNotFoundException">There is none, and queues are not created on demand.</exception>
    public async ValueTask<string> OpenOnDemandAsync(QueuePlace place, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await OpenAsync(place, createsQueues, QueueSettings.Default, null, TimeSpan.Zero, Executor.ExecuteAsync, cancellationToken).ConfigureAwait(false) is { } opened)
            {
                return opened.Birth;
            }

            // With creation, it was idle for too long and has just been deleted.
            if (!createsQueues)
            {
                throw new QueueNotFoundException(place.Name);
            }
        }
    }

    /// <summary>Takes a queue that has been deleted out of the list of names. If somebody has created it again meanwhile, it is put back.</summary>
    public async ValueTask ForgetAsync(QueuePlace place)
    {
        _listed.TryRemove(place.Source, out _);
        await Executor.ExecuteAsync(RedisCommand.Create("ZREM").AddKey(_names).Add(place.Source).MayRepeat(), CancellationToken.None).ConfigureAwait(false);
        var exists = await Executor.ExecuteAsync(RedisCommand.Create("EXISTS").AddKey(place.StateKey).MayRepeat(), CancellationToken.None).ConfigureAwait(false);
        if (exists.ToInteger() == 1)
        {
            await Executor.ExecuteAsync(Listing(place), CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Why a queue's state cannot be read.</summary>
    private async ValueTask<StorageCorruptException> DamageOfAsync(QueuePlace place)
    {
        try
        {
            var state = await Executor.ExecuteAsync(RedisCommand.Create("GET").AddKey(place.StateKey).MayRepeat(), CancellationToken.None).ConfigureAwait(false);
            return QueueStateRecord.DamageOf(place.Source, place.StateKey, state.Bytes.Span);
        }
        catch (RedisServerException refusal) when (refusal.Code == "WRONGTYPE")
        {
            return new StorageCorruptException(
                $"The queue '{place.Source}' cannot be read: its key '{place.StateKey}' in Redis is of another type, so something else has written it. Rename or delete that key.",
                refusal);
        }
    }

    private RedisCommand Listing(QueuePlace place) => RedisCommand.Create("ZADD").AddKey(_names).Add(0).Add(place.Source).MayRepeat();
}
