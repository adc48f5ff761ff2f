using System.Collections.Concurrent;
using Millrace.Server.Security.Users;

namespace Millrace.Server.Security;

/// <summary>
/// The permissions that are used for long after the request that proved them, as by a subscription: each ends when its caller would not be let in any more, or not to that.
/// They are looked at when the users change, and when the key that a caller came with expires. Safe for concurrent use.
/// </summary>
internal sealed class StandingPermissions
{
    private readonly ConcurrentDictionary<StandingPermission, bool> _held = [];
    private readonly LiveUsers? _users;
    private readonly TimeProvider _timeProvider;

    /// <param name="users">The users; null on a server that has none, where everybody stays.</param>
    /// <param name="timeProvider">The clock of keys that expire.</param>
    public StandingPermissions(LiveUsers? users, TimeProvider timeProvider)
    {
        (_users, _timeProvider) = (users, timeProvider);
        if (users is not null)
        {
            users.Changed += LookAtAll;
        }
    }

    /// <summary>How many are held.</summary>
    public int Count => _held.Count;

    /// <summary>Holds a permission for all that matches a pattern, until it is disposed. What the caller has lost already has ended then.</summary>
    public StandingPermission Hold(Caller caller, Permission permission, ResourceKind kind, string pattern) =>
        Hold(caller, again => again.MayAll(permission, kind, pattern));

    /// <summary>As <see cref="Hold(Caller, Permission, ResourceKind, string)"/>, for the resource of one name, whatever characters it has.</summary>
    public StandingPermission HoldOne(Caller caller, Permission permission, ResourceKind kind, string name) =>
        Hold(caller, again => again.May(permission, kind, name));

    /// <summary>Holds that the caller would be let in, whatever it may do.</summary>
    public StandingPermission HoldLogin(Caller caller) => Hold(caller, static _ => true);

    private StandingPermission Hold(Caller caller, Func<UserCaller, bool> may)
    {
        if (_users is null || caller is not UserCaller user)
        {
            return StandingPermission.Endless;
        }

        var held = new StandingPermission(_users, _timeProvider, user, may, permission => _held.TryRemove(permission, out _));

        // First listed, then looked at: a version that comes in between is not missed.
        _held[held] = true;
        held.Look();
        return held;
    }

    private void LookAtAll()
    {
        foreach (var held in _held.Keys)
        {
            held.Look();
        }
    }
}
