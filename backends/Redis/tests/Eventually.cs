using System.Runtime.CompilerServices;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>Waits for what servers come to by themselves and tell nobody of.</summary>
internal static class Eventually
{
    // Reached only by a test that would hang.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Asks again and again until the answer is yes; fails after a minute.</summary>
    public static async Task HoldsAsync(Func<Task<bool>> condition, [CallerArgumentExpression(nameof(condition))] string text = "")
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Patience, $"This has not come to hold within {Patience.TotalSeconds} s: {text}");
            await Task.Delay(Pause, TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }
}
