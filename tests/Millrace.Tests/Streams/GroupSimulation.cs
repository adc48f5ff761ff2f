using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Streams;

/// <summary>
/// Law S6 over random histories: members of one group read, commit, join, leave, are killed, or stand still beyond their session and go on; where the store outlives its process, that dies too, with
/// every member in it. One thread takes all steps over one store and a clock that stands, so a seed replays its history.
/// </summary>
public abstract class GroupSimulation
{
    // Of so many, some have everything in them that may happen.
    private const int EnoughForAll = 50;

    /// <summary>How many histories there are, at CI size and at full size.</summary>
    protected abstract (int Ci, int Full) Histories { get; }

    /// <summary>Whether what is stored is there again after <see cref="CrashAsync"/>.</summary>
    protected virtual bool CanCrash => true;

    /// <summary>Opens the store of one history, or opens it again after a crash.</summary>
    internal abstract ValueTask<Backend> OpenAsync(int history, TimeProvider clock);

    /// <summary>Lets the store die with its process.</summary>
    internal virtual ValueTask CrashAsync(Backend backend) => throw new NotSupportedException("What is in memory does not outlive its process.");

    [Fact]
    public async Task S6_WhateverHappensToMembers_NoRecordIsSkipped_AndNoStaleCommitStands()
    {
        var seed = TestScale.Seed();
        var counts = new GroupCounts();
        var histories = TestScale.IsFull ? Histories.Full : Histories.Ci;
        for (var round = 0; round < histories; round++)
        {
            try
            {
                var number = round;
                await using var history = new GroupHistory(unchecked(seed + round), clock => OpenAsync(number, clock), CanCrash ? CrashAsync : null, counts);
                await history.RunAsync(TestScale.IsFull ? 600 : 200);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                throw new InvalidOperationException($"The history of seed {seed + round} failed (MILLRACE_SEED={seed + round}): {exception.Message}", exception);
            }
        }

        TestScale.Report($"{histories} histories: {counts.Handled} records handled, {counts.Accepted} late commits accepted, {counts.Refused} stale ones refused, {counts.Crashes} crashes");
        Assert.True(histories < EnoughForAll || counts is { Accepted: > 0, Refused: > 0 }, "So many histories have had no late commits, or no stale ones.");
    }
}

/// <summary>What there was in all histories of a run.</summary>
internal sealed class GroupCounts
{
    public long Handled { get; set; }

    public long Accepted { get; set; }

    public long Refused { get; set; }

    public int Crashes { get; set; }
}
