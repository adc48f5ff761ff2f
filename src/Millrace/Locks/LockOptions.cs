using Millrace.Hosting;

namespace Millrace.Locks;

/// <summary>How a lock is taken. Immutable; validated when it is used.</summary>
public sealed record LockOptions
{
    /// <summary>Defaults throughout.</summary>
    public static LockOptions Default { get; } = new();

    /// <summary>How long the lock is held without renewal, so how long others wait when this process dies; 30 s unless set, 30 ms to 49 days. Renewed every third of it.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Who holds the lock, 1 to 200 bytes of UTF-8; null, the default: somebody new each time. An owner who asks again gets the grant that he has, with the same fencing token,
    /// and the first of his handles that is disposed gives it up for all of them.
    /// </summary>
    public string? Owner { get; init; }

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option, its value and what is allowed.</exception>
    public void Validate()
    {
        if (LeaseDuration < TimeSpan.FromMilliseconds(30) || LeaseDuration > TimerRange.Longest)
        {
            throw new MillraceConfigurationException($"A lock's lease must be 30 ms, so that it can be renewed in time, to 49 days, not {LeaseDuration}.");
        }

        if (Owner is { Length: 0 })
        {
            throw new MillraceConfigurationException("A lock's owner must not be empty; leave it out to be somebody new each time.");
        }
    }
}
