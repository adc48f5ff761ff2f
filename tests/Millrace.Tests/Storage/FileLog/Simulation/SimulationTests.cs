using System.Globalization;
using Xunit;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>The whole backend against a disk that crashes, fails and fills up, in random histories. 500; 10,000 with MILLRACE_FULL=1. MILLRACE_SEED replays one.</summary>
public sealed class SimulationTests
{
    private const int StepsOfOne = 60;

    [Fact]
    public async Task ARandomHistory_WithCrashesAndFaults_LosesNothingAcknowledged_AndBringsNothingBack()
    {
        var replayed = Environment.GetEnvironmentVariable("MILLRACE_SEED");
        var count = TestScale.IsFull ? 10_000 : 500;
        var first = Random.Shared.Next(1_000_000_000);
        int[] seeds = replayed is { Length: > 0 } ? [int.Parse(replayed, CultureInfo.InvariantCulture)] : [.. Enumerable.Range(first, count)];
        TestContext.Current.TestOutputHelper?.WriteLine($"seeds from {seeds[0]} on (replay one with MILLRACE_SEED)");
        foreach (var seed in seeds)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            await RunAsync(seed);
        }
    }

    /// <summary>Histories that have found a bug.</summary>
    /// <param name="seed">
    /// 103427154: a power cut on a full disk left several torn appends, for which there was no room to be put aside. 324706440: of a crash while a message was rescheduled, only the line of its key could tell what it had left,
    /// and the twin did not know.
    /// </param>
    [Theory]
    [InlineData(103427154)]
    [InlineData(324706440)]
    public Task AHistoryThatWentWrongOnce_IsRight(int seed) => RunAsync(seed);

    private static async Task RunAsync(int seed)
    {
        await using var history = new SimulatedHistory(seed);
        try
        {
            await history.RunAsync(StepsOfOne);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            Assert.Fail($"The history with MILLRACE_SEED={seed} went wrong:\n{history.Log}\n{fault}");
        }
    }
}
