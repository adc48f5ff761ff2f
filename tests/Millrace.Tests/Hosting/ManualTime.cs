using Millrace.Testing;

namespace Millrace.Tests.Hosting;

/// <summary>
/// Lets tests meet code that sets its timers on other threads. The clock never outruns that code, however late its threads come: it moves to the next timer only, and
/// only when those that have fired have been set again.
/// </summary>
internal static class ManualTime
{
    private static readonly TimeSpan Patience = TestScale.Patience;

    /// <summary>Ends when at least so many timers are set.</summary>
    public static Task TimersAsync(ManualTimeProvider clock, int count, CancellationToken cancellationToken) =>
        WhenAsync(() => clock.ActiveTimers >= count, cancellationToken);

    /// <summary>Ends when a condition holds that other threads bring about without the clock.</summary>
    public static async Task WhenAsync(Func<bool> condition, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        while (!condition())
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>Moves the clock on from timer to timer until something has happened.</summary>
    /// <param name="clock">The clock of the code under test.</param>
    /// <param name="happened">
    /// Looked at whenever the code waits for the clock: what a loop does before it sets its timer again is seen before the clock moves.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="timers">How many timers are set when all of the code waits for the clock: one for each loop that sleeps.</param>
    /// <param name="within">How far away a timer may be: those of renewals are not to fire where a pause is waited out. Any distance unless given.</param>
    public static async Task AdvanceUntilAsync(
        ManualTimeProvider clock,
        Func<bool> happened,
        CancellationToken cancellationToken,
        int timers = 1,
        TimeSpan? within = null)
    {
        while (true)
        {
            await WhenAsync(() => happened() || NextIsSet() is not null, cancellationToken);

            // First the timers, then the condition: the other way round it may come true, and the timer be set, in between.
            var next = NextIsSet();
            if (happened())
            {
                return;
            }

            if (next is { } due)
            {
                clock.Advance(due);
            }
        }

        TimeSpan? NextIsSet() =>
            clock.ActiveTimers >= timers && clock.UntilNextTimer is { } due && due <= (within ?? TimeSpan.MaxValue) ? due : null;
    }
}
