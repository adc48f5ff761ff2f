using Millrace.Storage;
using Millrace.Testing;

namespace Millrace.Tests.Locks;

/// <summary>A lock store on a manual clock that counts calls and does what a test tells it: fail, hold a call up, lose an answer. Safe for concurrent use.</summary>
internal sealed class ScriptedLockStore(ManualTimeProvider clock) : ILockStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Grant> _grants = [];
    private TaskCompletionSource _changed = NewSignal();
    private long _lastToken;

    /// <summary>Called before a call is applied, outside all locks, with its name.</summary>
    public Func<string, Task> Before { get; set; } = _ => Task.CompletedTask;

    /// <summary>Called when a call has been applied, with its name: throw to lose its answer.</summary>
    public Func<string, Task> After { get; set; } = _ => Task.CompletedTask;

    public int Renewals { get; private set; }

    public int Waits { get; private set; }

    /// <summary>Ends a grant as if it had never been renewed.</summary>
    public void Revoke(string name) => Change(() => _grants.Remove(name));

    public async Task UntilAsync(Func<ScriptedLockStore, bool> condition)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                changed = _changed.Task;
            }

            if (condition(this))
            {
                return;
            }

            await changed.WaitAsync(TestScale.Patience, Xunit.TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        await Before("acquire");
        LockGrant? result = null;
        Change(() =>
        {
            var held = Holder(name);
            if (held is null || held.Owner == owner)
            {
                var grant = new Grant(owner, held?.Token ?? ++_lastToken, clock.GetTimestamp() + leaseDuration.Ticks);
                _grants[name] = grant;
                result = new LockGrant(grant.Token, leaseDuration);
            }
        });
        await After("acquire");
        return result;
    }

    public async ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        await Before("renew");
        var renewed = false;
        Change(() =>
        {
            Renewals++;
            if (Holder(name) is { } held && held.Token == fencingToken && held.Owner == owner)
            {
                _grants[name] = held with { EndsAt = clock.GetTimestamp() + leaseDuration.Ticks };
                renewed = true;
            }
        });
        await After("renew");
        return renewed;
    }

    public async ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default)
    {
        await Before("release");
        var released = false;
        Change(() => released = Holder(name) is { } held && held.Token == fencingToken && held.Owner == owner && _grants.Remove(name));
        return released;
    }

    public ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            return new(Holder(name) is { } held ? new LockHolder(held.Owner, held.Token, TimeSpan.FromTicks(held.EndsAt - clock.GetTimestamp())) : null);
        }
    }

    public async ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default)
    {
        Change(() => Waits++);
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (Holder(name) is null)
                {
                    return;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Grant? Holder(string name) => _grants.TryGetValue(name, out var grant) && grant.EndsAt > clock.GetTimestamp() ? grant : null;

    private void Change(Action change)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            change();
            changed = _changed;
            _changed = NewSignal();
        }

        changed.SetResult();
    }

    private sealed record Grant(string Owner, long Token, long EndsAt);
}
