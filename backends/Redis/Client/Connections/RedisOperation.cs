using System.Threading.Tasks.Sources;

namespace Millrace.Redis.Client.Connections;

/// <summary>
/// A command on its way, and its caller's wait. Used again when the caller has taken the result. A connection that is given it keeps the <see cref="Ticket"/> of that moment;
/// whoever takes that ticket first (the reply, the timeout, the cut) decides the operation's fate, and whoever comes later finds that its ticket is not valid any more. So a late
/// reply can never reach another caller.
/// </summary>
internal sealed class RedisOperation : IValueTaskSource<RedisReply>
{
    private const int KeptByThread = 256;

    [ThreadStatic]
    private static Stack<RedisOperation>? _free;

    // A caller's continuation never runs on the loop that reads the connection: one that blocks would stop everybody's replies.
    private ManualResetValueTaskSourceCore<RedisReply> _completion = new() { RunContinuationsAsynchronously = true };
    private int _ticket;

    private RedisOperation()
    {
    }

    /// <summary>The command; freed when the operation ends.</summary>
    public RedisCommand Command { get; private set; } = null!;

    /// <summary>Who decides about errors and cuts.</summary>
    public IOperationRouter Router { get; private set; } = null!;

    /// <summary>When the caller began to wait, in the clock's timestamps.</summary>
    public long Started { get; private set; }

    /// <summary>How many times it was sent again because it was at the wrong place or time.</summary>
    public int Repeats { get; set; }

    /// <summary>How many times a server was given its script. Not among the repeats: after any number of them, the next server may not have it yet.</summary>
    public int ScriptLoads { get; set; }

    /// <summary>Whether it was written once and its reply was lost.</summary>
    public bool MayHaveBeenApplied { get; set; }

    /// <summary>Whether its command outlives it, because its caller frees it.</summary>
    public bool KeepsCommand { get; set; }

    /// <summary>The caller's wait; awaited once.</summary>
    public ValueTask<RedisReply> Task => new(this, _completion.Version);

    /// <summary>The right to decide its fate, for the connection that it is given to.</summary>
    public int Ticket => Volatile.Read(ref _ticket);

    public static RedisOperation Start(RedisCommand command, IOperationRouter router, long started)
    {
        var operation = (_free ??= new Stack<RedisOperation>(KeptByThread)).TryPop(out var used) ? used : new RedisOperation();
        operation.Command = command;
        operation.Router = router;
        operation.Started = started;
        operation.Repeats = 0;
        operation.ScriptLoads = 0;
        operation.MayHaveBeenApplied = false;
        operation.KeepsCommand = false;
        return operation;
    }

    /// <summary>Takes a ticket; true for the first who does.</summary>
    public bool TryTake(int ticket) => Interlocked.CompareExchange(ref _ticket, ticket + 1, ticket) == ticket;

    /// <summary>Ends it; only for whoever has taken its ticket, or while no connection has it.</summary>
    public void Complete(RedisReply reply)
    {
        FreeCommand();
        _completion.SetResult(reply);
    }

    /// <summary>Ends it with a fault; as <see cref="Complete"/>.</summary>
    public void Fail(Exception fault)
    {
        FreeCommand();
        _completion.SetException(fault);
    }

    private void FreeCommand()
    {
        if (!KeepsCommand)
        {
            Command.Free();
        }
    }

    RedisReply IValueTaskSource<RedisReply>.GetResult(short token)
    {
        try
        {
            return _completion.GetResult(token);
        }
        finally
        {
            _completion.Reset();
            Command = null!;
            Router = null!;
            var free = _free ??= new Stack<RedisOperation>(KeptByThread);
            if (free.Count < KeptByThread)
            {
                free.Push(this);
            }
        }
    }

    ValueTaskSourceStatus IValueTaskSource<RedisReply>.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource<RedisReply>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);
}
