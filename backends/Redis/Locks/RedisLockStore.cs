using Millrace.Redis.Client;
using Millrace.Redis.Waiting;
using Millrace.Storage;

namespace Millrace.Redis.Locks;

/// <summary>Locks in Redis, a hash each (laws K1–K3, K5), by the clock of the server that has it.</summary>
internal sealed class RedisLockStore(IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys, TimeProvider timeProvider) : ILockStore, IAsyncDisposable
{
    // For so long after its last lease a name's last token is remembered. Later the clock alone makes tokens rise, and names that come and go leave nothing behind.
    private const long TokenKeptMs = 7L * 24 * 60 * 60 * 1000;

    // The largest lease: a hundred years, so that microseconds stay exact in Lua.
    private const long MaxLeaseMicroseconds = 100L * 365 * 24 * 60 * 60 * 1_000_000;

    // A release that nobody was told of, which must not happen, is noticed so late.
    private static readonly TimeSpan SafetyLook = TimeSpan.FromSeconds(10);

    // The timer runs on another clock than the lease, and begins a little later.
    private static readonly TimeSpan TimerSlack = TimeSpan.FromMilliseconds(1);

    private static readonly RedisScript Acquire = RedisScript.Load("Locks/shared.lua", "Locks/acquire.lua");
    private static readonly RedisScript Renew = RedisScript.Load("Locks/shared.lua", "Locks/renew.lua");
    private static readonly RedisScript Release = RedisScript.Load("Locks/shared.lua", "Locks/release.lua");
    private static readonly RedisScript Inspect = RedisScript.Load("Locks/shared.lua", "Locks/inspect.lua");

    private readonly WakeList _waiters = new(executor);

    public async ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        Require(name, owner);
        var lease = MicrosecondsOf(leaseDuration);
        var reply = await writes.ExecuteAsync(Acquire.Call(KeyOf(name)).Add(owner).Add(lease).Add(TokenKeptMs).MayRepeat(), cancellationToken).ConfigureAwait(false);
        return reply.IsNull ? null : new LockGrant(reply.ToInteger(), leaseDuration);
    }

    public async ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        Require(name, owner);
        var lease = MicrosecondsOf(leaseDuration);
        var call = Renew.Call(KeyOf(name)).Add(owner).Add(fencingToken).Add(lease).Add(TokenKeptMs).MayRepeat();
        return (await writes.ExecuteAsync(call, cancellationToken).ConfigureAwait(false)).ToInteger() == 1;
    }

    public async ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default)
    {
        Require(name, owner);
        var call = Release.Call(KeyOf(name)).Add(owner).Add(fencingToken).Add(executor.IsCluster ? "SPUBLISH" : "PUBLISH").Add(ChannelOf(name));
        return (await writes.ExecuteAsync(call, cancellationToken).ConfigureAwait(false)).ToInteger() == 1;
    }

    public async ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(name, "lock");
        var reply = await executor.ExecuteAsync(Inspect.Call(KeyOf(name)).MayRepeat(), cancellationToken).ConfigureAwait(false);
        return reply.IsNull
            ? null
            : new LockHolder(reply.Items[0].ToText()!, reply.Items[1].ToInteger(), TimeSpan.FromMicroseconds(reply.Items[2].ToInteger()));
    }

    public async ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(name, "lock");
        while (true)
        {
            var waiter = await _waiters.JoinAsync(ChannelOf(name), cancellationToken).ConfigureAwait(false);
            await using (waiter.ConfigureAwait(false))
            {
                if (await InspectAsync(name, cancellationToken).ConfigureAwait(false) is not { } holder)
                {
                    return;
                }

                var left = holder.Remaining + TimerSlack;
                await waiter.WaitAsync(left < SafetyLook ? left : SafetyLook, timeProvider, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public ValueTask DisposeAsync() => _waiters.DisposeAsync();

    private static void Require(string name, string owner)
    {
        ResourceName.Require(name, "lock");
        ResourceName.RequireLockOwner(owner);
    }

    private static long MicrosecondsOf(TimeSpan leaseDuration)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(leaseDuration, TimeSpan.Zero);
        return Math.Clamp(leaseDuration.Ticks / TimeSpan.TicksPerMicrosecond, 1, MaxLeaseMicroseconds);
    }

    private string KeyOf(string name) => keys.Lock(name) + "lock";

    private string ChannelOf(string name) => keys.Lock(name) + "released";
}
