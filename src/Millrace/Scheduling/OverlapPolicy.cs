namespace Millrace.Scheduling;

/// <summary>What happens when an occurrence is due while earlier ones of the same schedule have not ended: wait in the queue, run, or wait to be retried. Immutable.</summary>
public sealed record OverlapPolicy
{
    /// <summary>The most occurrences of one schedule that are open at once.</summary>
    public const int MostOpen = 1_000;

    private OverlapPolicy(OverlapKind kind, int maxOpen) => (Kind, MaxOpen) = (kind, maxOpen);

    /// <summary>The new one is skipped. The default.</summary>
    public static OverlapPolicy Skip { get; } = new(OverlapKind.Skip, 1);

    /// <summary>One waits until the open one has ended, further ones are skipped.</summary>
    public static OverlapPolicy BufferOne { get; } = new(OverlapKind.BufferOne, 2);

    /// <summary>The open ones are cancelled, and the new one runs when they have ended.</summary>
    public static OverlapPolicy CancelRunning { get; } = new(OverlapKind.CancelRunning, MostOpen);

    /// <summary>Which policy it is.</summary>
    public OverlapKind Kind { get; }

    /// <summary>How many may be open at once.</summary>
    public int MaxOpen { get; }

    /// <summary>Up to <paramref name="count"/> run beside each other, further ones are skipped.</summary>
    /// <param name="count">1 to <see cref="MostOpen"/>.</param>
    public static OverlapPolicy Allow(int count = MostOpen)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MostOpen);
        return new(OverlapKind.Allow, count);
    }
}

/// <summary>The kinds of <see cref="OverlapPolicy"/>.</summary>
public enum OverlapKind
{
    /// <summary>See <see cref="OverlapPolicy.Skip"/>.</summary>
    Skip,

    /// <summary>See <see cref="OverlapPolicy.BufferOne"/>.</summary>
    BufferOne,

    /// <summary>See <see cref="OverlapPolicy.Allow"/>.</summary>
    Allow,

    /// <summary>See <see cref="OverlapPolicy.CancelRunning"/>.</summary>
    CancelRunning,
}
