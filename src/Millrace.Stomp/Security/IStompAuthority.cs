using System.Net;

namespace Millrace.Stomp.Security;

/// <summary>Proves who a client is. Safe for concurrent use.</summary>
internal interface IStompAuthority
{
    /// <summary>Checks what a CONNECT frame says.</summary>
    /// <param name="login">The <c>login</c> header; null when there is none.</param>
    /// <param name="passcode">The <c>passcode</c> header; null when there is none. Never logged.</param>
    /// <param name="address">Where the client comes from, if that is known.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>The caller; or why there is none, in words for the client.</returns>
    ValueTask<StompLogin> LogInAsync(string? login, string? passcode, IPAddress? address, CancellationToken cancellationToken);
}

/// <summary>What came of a login: a caller, or the reason for a refusal.</summary>
internal readonly record struct StompLogin(StompCaller? Caller, string? Refusal)
{
    /// <summary>The client is who it says.</summary>
    public static StompLogin Right(StompCaller caller) => new(caller, null);

    /// <summary>It is not, or that was not looked at; the reason says no more than the client may know.</summary>
    public static StompLogin Refused(string reason) => new(null, reason);
}

/// <summary>What a client wants to do.</summary>
internal enum StompAccess
{
    /// <summary>Send messages.</summary>
    Send,

    /// <summary>Subscribe, browse, acknowledge.</summary>
    Receive,

    /// <summary>Create and delete.</summary>
    Manage,
}

/// <summary>What a permission speaks of.</summary>
internal enum StompResource
{
    /// <summary>A queue, and with it its dead letters.</summary>
    Queue,

    /// <summary>A topic, or every topic of a pattern.</summary>
    Topic,

    /// <summary>A stream.</summary>
    Stream,
}

/// <summary>Whoever has connected. Safe for concurrent use.</summary>
internal abstract class StompCaller : IDisposable
{
    /// <summary>Somebody without a name on a broker without users: may do everything.</summary>
    public static StompCaller Anonymous { get; } = new AnonymousCaller();

    /// <summary>The user's name; empty for an anonymous one.</summary>
    public abstract string Name { get; }

    /// <summary>Ends when the caller would not be let in any more.</summary>
    public abstract CancellationToken Ended { get; }

    /// <summary>Asks for a permission, and holds it: its token ends when it is taken away. Null when the caller does not have it.</summary>
    /// <param name="access">What for.</param>
    /// <param name="resource">The kind of resource.</param>
    /// <param name="pattern">A name, or a pattern: then it is for all names that match.</param>
    public abstract StompPermit? Hold(StompAccess access, StompResource resource, string pattern);

    /// <inheritdoc/>
    public abstract void Dispose();

    private sealed class AnonymousCaller : StompCaller
    {
        public override string Name => "";

        public override CancellationToken Ended => CancellationToken.None;

        public override StompPermit? Hold(StompAccess access, StompResource resource, string pattern) => StompPermit.Endless;

        public override void Dispose()
        {
        }
    }
}

/// <summary>A permission that is in use. Disposing gives it up.</summary>
internal abstract class StompPermit : IDisposable
{
    /// <summary>One that nobody can take away.</summary>
    public static StompPermit Endless { get; } = new EndlessPermit();

    /// <summary>Ends when the permission does.</summary>
    public abstract CancellationToken Lost { get; }

    /// <inheritdoc/>
    public abstract void Dispose();

    private sealed class EndlessPermit : StompPermit
    {
        public override CancellationToken Lost => CancellationToken.None;

        public override void Dispose()
        {
        }
    }
}

/// <summary>Lets everybody in as <see cref="StompCaller.Anonymous"/>: for brokers without users, which listen on loopback only.</summary>
internal sealed class OpenAuthority : IStompAuthority
{
    /// <inheritdoc/>
    public ValueTask<StompLogin> LogInAsync(string? login, string? passcode, IPAddress? address, CancellationToken cancellationToken) =>
        new(StompLogin.Right(StompCaller.Anonymous));
}
