namespace Millrace.Testing;

/// <summary>
/// A <see cref="ManualTimeProvider"/> as a suite's clock, for engines in the test's process that take all of their time from the <see cref="TimeProvider"/> they are
/// opened with. Exact: what is due at a moment is due when the clock stands at it.
/// </summary>
public sealed class ManualConformanceClock : IConformanceClock
{
    // Enough for a chain of continuations to hop over the pool; what is longer, tests wait for by signal.
    private const int SettlingRounds = 16;

    private readonly ManualTimeProvider _time = new();

    /// <inheritdoc/>
    public TimeProvider TimeProvider => _time;

    /// <summary>10 s.</summary>
    public TimeSpan Unit => TimeSpan.FromSeconds(10);

    /// <summary>A day.</summary>
    public TimeSpan LongLease => TimeSpan.FromDays(1);

    /// <summary>Zero.</summary>
    public TimeSpan Margin => TimeSpan.Zero;

    /// <summary>Moves the clock, runs the timers that became due, then yields to the continuations that they have queued.</summary>
    public async ValueTask AdvanceAsync(TimeSpan by, CancellationToken cancellationToken = default)
    {
        // Off the test's synchronization context, which a callback might otherwise capture.
        await Task.Run(() => _time.Advance(by), cancellationToken).ConfigureAwait(false);
        for (var round = 0; round < SettlingRounds; round++)
        {
            await Task.Yield();
        }
    }
}
