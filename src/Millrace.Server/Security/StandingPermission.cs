using Millrace.Server.Security.Users;

namespace Millrace.Server.Security;

/// <summary>A permission that is in use. Safe for concurrent use.</summary>
internal sealed class StandingPermission : IDisposable
{
    /// <summary>That of somebody who cannot lose it.</summary>
    public static readonly StandingPermission Endless = new();

    // The longest time that a timer takes; what is further away is looked at on the way.
    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(30);

    private readonly CancellationTokenSource _lost = new();
    private readonly LiveUsers? _users;
    private readonly TimeProvider _timeProvider = TimeProvider.System;
    private readonly UserCaller? _caller;
    private readonly Func<UserCaller, bool>? _may;
    private readonly Action<StandingPermission>? _forget;
    private readonly ITimer? _expiry;

    public StandingPermission(LiveUsers users, TimeProvider timeProvider, UserCaller caller, Func<UserCaller, bool> may, Action<StandingPermission> forget)
    {
        (_users, _timeProvider, _caller, _may, _forget) = (users, timeProvider, caller, may, forget);
        _expiry = caller.Key is null ? null : timeProvider.CreateTimer(static state => ((StandingPermission)state!).Look(), this, LongestTimer, LongestTimer);
    }

    private StandingPermission()
    {
    }

    /// <summary>Ends when the permission does.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Ends it if its caller would not get it again.</summary>
    public void Look()
    {
        if (_users!.Current.FindAgain(_caller!, _timeProvider.GetUtcNow()) is not { } user || !_may!(user))
        {
            // Not here, for what ends with it takes its time.
            _ = _lost.CancelAsync();
            return;
        }

        // Each time: the file may have given the key another end, and a timer may have been early.
        _expiry?.Change(UntilExpiry(user), LongestTimer);
    }

    /// <summary>It is not used any more.</summary>
    public void Dispose()
    {
        // The source is left to the collector: a look may be under way, and it has neither a timer nor a parent.
        _forget?.Invoke(this);
        _expiry?.Dispose();
    }

    private TimeSpan UntilExpiry(UserCaller user)
    {
        var left = (user.Key?.ExpiresAt - _timeProvider.GetUtcNow()) ?? LongestTimer;
        return left < TimeSpan.Zero ? TimeSpan.Zero : left > LongestTimer ? LongestTimer : left;
    }
}
