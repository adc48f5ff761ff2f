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

    /// <summary>Moves the clock on in steps, each when a timer is set, until something has happened.</summary>
    public static async Task AdvanceUntilAsync(ManualTimeProvider clock, TimeSpan step, Task happened, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (!happened.IsCompleted)
        {
            patience.Token.ThrowIfCancellationRequested();
            if (clock.ActiveTimers > 0)
            {
                clock.Advance(step);
            }

            await Task.Yield();
        }

        await happened;
    }
}
