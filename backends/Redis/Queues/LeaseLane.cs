using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>Leases messages of one queue or dead-letter queue for the receivers of this process that lease alike.</summary>
internal sealed class LeaseLane
{
    /// <summary>The most messages of one call.</summary>
    public const int MaxLeased = 1000;

    /// <summary>Bodies of one call are in the memory of the server, of the connection and of the receiver at once: no more than so many bytes.</summary>
    public const long MaxLeaseBytes = 8 * 1024 * 1024;

    private readonly QueueCalls _calls;
    private readonly QueuePlace _place;
    private readonly ReceiverOptions _options;
    private readonly CallLane<LeaseCall> _lane;

    public LeaseLane(QueueCalls calls, QueuePlace place, ReceiverOptions options)
    {
        (_calls, _place, _options) = (calls, place, options);
        _lane = new CallLane<LeaseCall>(SendAsync);
    }

    public ValueTask LeaseAsync(LeaseCall call) => _lane.SendAsync(call);

    public ReceiverOptions Options => _options;

    /// <summary>Sends calls together, and completes each.</summary>
    public async ValueTask SendAsync(List<LeaseCall> calls)
    {
        var script = QueueScripts.Lease;
        while (true)
        {
            var reply = await _calls.Executor.ExecuteAsync(Build(script, calls), CancellationToken.None).ConfigureAwait(false);
            switch (QueueCalls.OutcomeOf(reply))
            {
                case ScriptOutcome.Done:
                    var items = reply.Items;
                    Share(calls, new LeaseAnswer(items[1].ToInteger(), items[2].ToInteger() == 1, (int)items[3].ToInteger(), items[4], items[5], items[6]));
                    return;
                case ScriptOutcome.More:
                    script = QueueScripts.LeaseFully;
                    break;
                default:
                    await _calls.RequireQueueAsync(_place, QueueCalls.OutcomeOf(reply)).ConfigureAwait(false);
                    break;
            }
        }
    }

    private RedisCommand Build(RedisScript script, List<LeaseCall> calls)
    {
        var most = 0;
        foreach (var call in calls)
        {
            most += call.Weight;
        }

        var command = _place.CallSection(script, _calls.IsCluster)
            .Add(RedisTime.MicrosecondsOf(_options.LeaseDuration))
            .Add(_options.SettleOnLease ? 1 : 0)
            .Add(MaxLeaseBytes)
            .Add(most);
        foreach (var call in calls)
        {
            command.Add(call.Weight);
            SettleLane.AddKey(command, call.Key);
        }

        return command;
    }

    /// <summary>Gives each call what the script has leased for it, and completes it.</summary>
    public static void Share(List<LeaseCall> calls, in LeaseAnswer answer)
    {
        var first = 0;
        var count = answer.Numbers.Items.Length;
        foreach (var call in calls)
        {
            var share = Math.Min(call.Weight, count - first);
            call.Take(in answer, first, share);
            first += share;
        }

        foreach (var call in calls)
        {
            call.Complete();
        }
    }
}
