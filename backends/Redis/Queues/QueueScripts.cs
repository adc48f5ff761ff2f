using Millrace.Redis.Client;

namespace Millrace.Redis.Queues;

/// <summary>
/// The scripts of queues. <see cref="Plain"/> does what most callers want at once; what it leaves is done by one for each kind of call. Those come in two forms: alone, and with the
/// moves that they need only now and then.
/// </summary>
internal static class QueueScripts
{
    private const string Names = "Queues/names.lua";

    public static readonly RedisScript Plain = RedisScript.Load(Names, "Queues/plain.lua");

    public static readonly RedisScript Enqueue = RedisScript.Load(Names, "Queues/state.lua", "Queues/intake.lua", "Queues/enqueue.lua");

    public static readonly RedisScript EnqueueFully = RedisScript.Load(Names, "Queues/state.lua", "Queues/moves.lua", "Queues/intake.lua", "Queues/enqueue.lua");

    public static readonly RedisScript Lease = RedisScript.Load(Names, "Queues/state.lua", "Queues/lease.lua");

    public static readonly RedisScript LeaseFully = Full("Queues/lease.lua");

    public static readonly RedisScript Held = RedisScript.Load(Names, "Queues/held.lua");

    public static readonly RedisScript Complete = RedisScript.Load(Names, "Queues/state.lua", "Queues/settle.lua");

    public static readonly RedisScript Settle = Full("Queues/settle.lua");

    public static readonly RedisScript Renew = RedisScript.Load(Names, "Queues/state.lua", "Queues/renew.lua");

    public static readonly RedisScript RenewFully = Full("Queues/renew.lua");

    public static readonly RedisScript Open = RedisScript.Load(Names, "Queues/state.lua", "Queues/moves.lua", "Queues/settings.lua", "Queues/open.lua");

    public static readonly RedisScript Change = RedisScript.Load(Names, "Queues/state.lua", "Queues/moves.lua", "Queues/settings.lua", "Queues/change.lua");

    public static readonly RedisScript Delete = Full("Queues/delete.lua");

    public static readonly RedisScript Stats = Full("Queues/stats.lua");

    public static readonly RedisScript Browse = Full("Queues/browse.lua");

    public static readonly RedisScript Message = Full("Queues/message.lua");

    public static readonly RedisScript Redrive = Full("Queues/redrive.lua");

    public static readonly RedisScript Purge = Full("Queues/purge.lua");

    public static readonly RedisScript Transaction = RedisScript.Load(Names, "Queues/state.lua", "Queues/moves.lua", "Queues/intake.lua", "Queues/transaction.lua");

    public static readonly RedisScript Bind = RedisScript.Load("Queues/bind.lua");

    private static RedisScript Full(string file) => RedisScript.Load(Names, "Queues/state.lua", "Queues/moves.lua", file);
}
