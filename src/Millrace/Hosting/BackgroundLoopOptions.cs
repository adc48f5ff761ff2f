using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Millrace.Hosting;

/// <summary>How a <see cref="BackgroundLoop"/> lives. Immutable; copied once by the loop.</summary>
public sealed record BackgroundLoopOptions
{
    /// <summary>
    /// True (the default): a crash of the body is logged and the body started again after a backoff. False: the crash ends the loop, and
    /// <see cref="BackgroundLoop.Completion"/> fails with it.
    /// </summary>
    public bool RestartAfterCrash { get; init; } = true;

    /// <summary>The pause after a first crash; it doubles with each further one, half of it random. 100 ms unless set.</summary>
    public TimeSpan RestartDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest pause after a crash; 30 s unless set. A body that has run for longer than this counts as recovered.</summary>
    public TimeSpan MaxRestartDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a stop still waits for a body whose <see cref="LoopTokens.Stopping"/> has been cancelled, before it gives it up; 5 s unless set.</summary>
    public TimeSpan CancelTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The clock; the system's unless set.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where crashes are logged; nowhere unless set.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option and its value.</exception>
    public void Validate()
    {
        if (RestartDelay <= TimeSpan.Zero || MaxRestartDelay < RestartDelay || MaxRestartDelay > TimerRange.Longest)
        {
            throw new MillraceConfigurationException(
                $"A loop's restart delay must be positive and at most its longest delay, and that at most 49 days, not {RestartDelay} with a longest of {MaxRestartDelay}.");
        }

        if ((CancelTimeout < TimeSpan.Zero || CancelTimeout > TimerRange.Longest) && CancelTimeout != Timeout.InfiniteTimeSpan)
        {
            throw new MillraceConfigurationException($"A loop's cancel timeout must be 0 to 49 days, or infinite, not {CancelTimeout}.");
        }
    }
}

/// <summary>The two signals that end the body of a <see cref="BackgroundLoop"/>, in this order.</summary>
/// <param name="Draining">Take nothing new, finish what you hold, return.</param>
/// <param name="Stopping">The deadline has passed: drop what you hold, return at once.</param>
public readonly record struct LoopTokens(CancellationToken Draining, CancellationToken Stopping);

/// <summary>How a <see cref="BackgroundLoop"/> came to its end.</summary>
public enum LoopStop
{
    /// <summary>The body ended by itself within the time that it was given.</summary>
    Drained,

    /// <summary>The body ended after its <see cref="LoopTokens.Stopping"/> had been cancelled.</summary>
    Cancelled,

    /// <summary>The body did not end even then, and was left behind; it has been logged.</summary>
    Abandoned,
}
