using Millrace.Testing;

namespace Millrace.Tests.Hosting;

/// <summary>Lets tests meet code that sets its timers on other threads.</summary>
internal static class ManualTime
{
    /// <summary>Ends when at least so many timers are set.</summary>
    public static async Task TimersAsync(ManualTimeProvider clock, int count, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (clock.ActiveTimers < count)
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>
    /// Moves the clock on in steps until something has happened. After each step the code under test gets its turns: a timer that is gone gets half a second to be set
    /// again, and then the thread pool's queue is passed through many times, so that whatever was queued before has run. Otherwise the clock would run away from it, and
    /// every deadline would pass between two of its turns.
    /// </summary>
    public static async Task AdvanceUntilAsync(ManualTimeProvider clock, TimeSpan step, Task happened, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (!happened.IsCompleted)
        {
            patience.Token.ThrowIfCancellationRequested();
            var timers = clock.ActiveTimers;
            clock.Advance(step);
            var turn = TimeProvider.System.GetTimestamp();
            do
            {
                await PassThroughPoolAsync();
            }
            while (!happened.IsCompleted
                && clock.ActiveTimers < Math.Max(1, timers)
                && TimeProvider.System.GetElapsedTime(turn) < TimeSpan.FromMilliseconds(500));
        }

        await happened;
    }

    private static async Task PassThroughPoolAsync()
    {
        for (var pass = 0; pass < 200; pass++)
        {
            // Not inlined and not into a local queue: to the end of the line.
            await Task.Factory.StartNew(static () => { }, CancellationToken.None, TaskCreationOptions.PreferFairness, TaskScheduler.Default)
                .ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }
    }
}
