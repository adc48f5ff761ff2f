namespace Millrace.Server.Security.Requests;

/// <summary>What came of a login.</summary>
internal readonly struct LoginResult
{
    private LoginResult(LoginOutcome outcome, UserCaller? user, TimeSpan retryAfter) => (Outcome, User, RetryAfter) = (outcome, user, retryAfter);

    public LoginOutcome Outcome { get; }

    /// <summary>The user, where the login was right.</summary>
    public UserCaller? User { get; }

    /// <summary>When to try again, where it was not tried.</summary>
    public TimeSpan RetryAfter { get; }

    public static LoginResult Wrong { get; } = new(LoginOutcome.Wrong, null, default);

    public static LoginResult Right(UserCaller user) => new(LoginOutcome.Right, user, default);

    public static LoginResult Delayed(TimeSpan retryAfter) => new(LoginOutcome.Delayed, null, retryAfter);

    public static LoginResult Busy(TimeSpan retryAfter) => new(LoginOutcome.Busy, null, retryAfter);
}

/// <summary>How a login ended.</summary>
internal enum LoginOutcome
{
    Right,

    /// <summary>Unknown, wrong, disabled or expired: which of them stays untold.</summary>
    Wrong,

    /// <summary>Not looked at: too many logins failed before.</summary>
    Delayed,

    /// <summary>Not looked at: too many logins wait for their slow check.</summary>
    Busy,
}
