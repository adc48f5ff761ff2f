using System.Net;
using Millrace.Server.Security;
using Millrace.Stomp.Security;

namespace Millrace.Server.Stomp;

/// <summary>A user of the server who has connected by STOMP. What it may do is what the users file says now, not what it said at the login. Safe for concurrent use.</summary>
internal sealed class ServerCaller(UserCaller user, StandingPermissions standing, AuditLog audit, IPAddress? address) : StompCaller
{
    private readonly StandingPermission _login = standing.HoldLogin(user);

    /// <inheritdoc/>
    public override string Name => user.Name;

    /// <inheritdoc/>
    public override CancellationToken Ended => _login.Lost;

    /// <inheritdoc/>
    public override StompPermit? Hold(StompAccess access, StompResource resource, string pattern)
    {
        var permission = access switch
        {
            StompAccess.Send => Permission.Send,
            StompAccess.Receive => Permission.Receive,
            _ => Permission.Manage,
        };

        // Only a subscription to topics is to a pattern: the names of queues, and of topics that are sent to, stand for themselves.
        var isPattern = resource == StompResource.Topic && access == StompAccess.Receive;
        var kind = resource switch
        {
            StompResource.Topic => ResourceKind.Topic,
            StompResource.Stream => ResourceKind.Stream,
            _ => ResourceKind.Queue,
        };
        var held = isPattern ? standing.Hold(user, permission, kind, pattern) : standing.HoldOne(user, permission, kind, pattern);
        if (held.Lost.IsCancellationRequested)
        {
            held.Dispose();
            audit.Record(user, address, ActionOf(access), pattern, AuditOutcome.Denied);
            return null;
        }

        return new Permit(held);
    }

    /// <inheritdoc/>
    public override void Dispose() => _login.Dispose();

    private static string ActionOf(StompAccess access) => access switch
    {
        StompAccess.Send => "stomp.send",
        StompAccess.Receive => "stomp.receive",
        _ => "stomp.manage",
    };

    private sealed class Permit(StandingPermission held) : StompPermit
    {
        public override CancellationToken Lost => held.Lost;

        public override void Dispose() => held.Dispose();
    }
}
