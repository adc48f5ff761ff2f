using System.Net;
using Millrace.Stomp.Security;
using Millrace.Storage;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Users of a test, with permissions that it gives and takes. Safe for concurrent use.</summary>
internal sealed class TestAuthority : IStompAuthority
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, TestUser> _users = new(StringComparer.Ordinal);
    private int _openCallers;
    private int _openPermits;

    /// <summary>Callers that were let in and not disposed.</summary>
    public int OpenCallers => Volatile.Read(ref _openCallers);

    /// <summary>Permissions that are held.</summary>
    public int OpenPermits => Volatile.Read(ref _openPermits);

    /// <summary>Adds a user who may do what the given permissions say.</summary>
    public TestUser Add(string name, string passcode, params (StompAccess Access, StompResource Resource, string Pattern)[] permissions)
    {
        lock (_gate)
        {
            return _users[name] = new TestUser(name, passcode, permissions);
        }
    }

    public ValueTask<StompLogin> LogInAsync(string? login, string? passcode, IPAddress? address, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (login is null || !_users.TryGetValue(login, out var user) || user.Passcode != passcode)
            {
                return new(StompLogin.Refused("The login or the passcode is wrong."));
            }

            Interlocked.Increment(ref _openCallers);
            return new(StompLogin.Right(new Caller(this, user)));
        }
    }

    /// <summary>A user.</summary>
    internal sealed class TestUser(string name, string passcode, (StompAccess Access, StompResource Resource, string Pattern)[] permissions)
    {
        private readonly List<(StompAccess Access, StompResource Resource, TopicPattern Pattern, CancellationTokenSource Lost)> _permissions =
            [.. permissions.Select(permission => (permission.Access, permission.Resource, TopicPattern.Parse(permission.Pattern), new CancellationTokenSource()))];

        public string Name => name;

        public string Passcode => passcode;

        public CancellationTokenSource Ended { get; } = new();

        /// <summary>Takes away every permission of a kind.</summary>
        public void Lose(StompAccess access)
        {
            foreach (var (_, _, _, lost) in _permissions.Where(permission => permission.Access == access))
            {
                lost.Cancel();
            }
        }

        public CancellationToken? Find(StompAccess access, StompResource resource, string pattern)
        {
            foreach (var permission in _permissions)
            {
                if (permission.Access == access && permission.Resource == resource && permission.Pattern.Matches(pattern) && !permission.Lost.IsCancellationRequested)
                {
                    return permission.Lost.Token;
                }
            }

            return null;
        }
    }

    private sealed class Caller(TestAuthority authority, TestUser user) : StompCaller
    {
        private int _isDisposed;

        public override string Name => user.Name;

        public override CancellationToken Ended => user.Ended.Token;

        public override StompPermit? Hold(StompAccess access, StompResource resource, string pattern)
        {
            if (user.Find(access, resource, pattern) is not { } lost)
            {
                return null;
            }

            Interlocked.Increment(ref authority._openPermits);
            return new Permit(authority, lost);
        }

        public override void Dispose()
        {
            if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
            {
                Interlocked.Decrement(ref authority._openCallers);
            }
        }
    }

    private sealed class Permit(TestAuthority authority, CancellationToken lost) : StompPermit
    {
        private int _isDisposed;

        public override CancellationToken Lost => lost;

        public override void Dispose()
        {
            if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
            {
                Interlocked.Decrement(ref authority._openPermits);
            }
        }
    }
}
