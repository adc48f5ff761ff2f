using System.Diagnostics;
using Xunit;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// The law of schedules over random histories of three nodes: each occurrence starts at least once unless a policy skips it, none starts twice while no lease ends, and none beside another one
/// where the policy forbids it.
/// </summary>
public sealed class SimulationTests
{
    [Fact]
    public async Task Occurrences_WhateverHappensToNodes_StartOnce()
    {
        var seed = TestScale.Seed();
        var histories = TestScale.IsFull ? 5_000 : 300;
        var watch = Stopwatch.StartNew();
        var (starts, skips) = (0, 0);
        for (var i = 0; i < histories; i++)
        {
            var history = await RunAsync(seed + i);
            starts += history.Starts;
            skips += history.Skips;
        }

        TestScale.Report($"{histories} histories in {watch.Elapsed.TotalSeconds:F1} s: {starts} starts, {skips} skipped");
        Assert.True(starts > histories);
    }

    private static async Task<SimulatedHistory> RunAsync(int seed)
    {
        using var history = new SimulatedHistory(seed);
        try
        {
            // On a thread without a context of its own, so that continuations run where operations are let go.
            await Task.Run(() => history.RunAsync(TestScale.IsFull ? 600 : 300), TestContext.Current.CancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            TestScale.Report(history.Events);
            throw new InvalidOperationException($"The history of seed {seed} failed (MILLRACE_SEED={seed}): {exception.Message}", exception);
        }

        return history;
    }
}
