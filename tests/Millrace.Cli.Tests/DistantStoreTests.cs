using Millrace.App;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>Commands on a store that is far away: few round trips, and the truth about what a cut leaves open.</summary>
public sealed class DistantStoreTests
{
    private const int Queues = 50;

    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task TheStatsOfAllQueues_AreReadSixteenAtATime_AndPrintedInOrder()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        var names = Enumerable.Range(0, Queues).Select(number => $"q{number:00}").ToArray();
        foreach (var name in names)
        {
            await store.CreateQueueAsync(name, QueueSettings.Default, Token);
        }

        // Each turn of 16 goes on only when all of it has been asked for, the last of them first.
        var turn = new List<TaskCompletionSource>();
        store.OnStats = async number =>
        {
            var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            TaskCompletionSource[] all = [];
            lock (turn)
            {
                turn.Add(mine);
                if (turn.Count == 16 || number == Queues)
                {
                    all = [.. turn.AsEnumerable().Reverse()];
                    turn.Clear();
                }
            }

            Array.ForEach(all, waiting => waiting.SetResult());
            await mine.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        };

        var result = (await world.RunAsync("stats", "--json")).Succeeded();

        Assert.Equal(names, result.Objects.Select(item => item.GetProperty("queue").GetString()));
        Assert.Equal((16, Queues), (store.MostStatsAtOnce, store.StatsCalls));
    }

    [Fact]
    public async Task AFailureAmongMany_IsTheFailureOfStats()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        for (var i = 0; i < Queues; i++)
        {
            await store.CreateQueueAsync($"q{i:00}", QueueSettings.Default, Token);
        }

        store.OnStats = static number => number < 20 ? default : throw new BackendUnavailableException("The connection was cut.");

        (await world.RunAsync("stats")).Failed(ExitCodes.Failed, "The connection was cut.");
    }

    [Fact]
    public async Task QueuesThatAreDamaged_AreNamed_AndTheStatsOfTheOthersShown()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        for (var i = 0; i < Queues; i++)
        {
            await store.CreateQueueAsync($"q{i:00}", QueueSettings.Default, Token);
        }

        store.OnStats = static number => number is 1 or 20 ? throw new StorageCorruptException($"The state of queue number {number} is damaged.") : default;

        var result = await world.RunAsync("stats", "--json");

        Assert.Equal(ExitCodes.Damaged, result.Code);
        Assert.Equal(Queues - 2, result.Output.TrimEnd('\n').Split('\n').Length);
        Assert.Equal(
            ["millrace: The state of queue number 1 is damaged.", "millrace: The state of queue number 20 is damaged."],
            result.Error.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task DeadLetters_AreAskedForAsManyAsAreShown()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        (await world.RunWithInputAsync("1\n2\n3\n", "send", "q")).Succeeded();
        (await world.RunAsync("work", "q", "--exec", "exit 65", "--exit-when-idle", "100ms")).Succeeded();

        Assert.Equal(2, (await world.RunAsync("dead", "list", "q", "--limit", "2", "--json")).Succeeded().Lines.Length);
        Assert.Equal([2], store.BrowseLimits);
        Assert.Equal(2, (await world.RunAsync("dead", "list", "q", "--limit", "2", "--reason", "rejected", "--json")).Succeeded().Lines.Length);
    }

    [Fact]
    public async Task MessagesThatWereWritten_AndCannotBeCompleted_AreSaidToComeAgain()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        (await world.RunWithInputAsync("1\n2\n", "send", "q")).Succeeded();
        store.OnSettle = static () => throw new BackendUnavailableException("The connection was cut.", mayHaveBeenApplied: true);

        var result = await world.RunAsync("receive", "q", "--count", "2");

        Assert.Equal((ExitCodes.Failed, "1\n2\n"), (result.Code, result.Output));
        Assert.Equal(
            ["millrace: 2 messages were written and may not have been completed: they can be delivered again.", "millrace: The connection was cut."],
            result.Error.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData(1, "millrace: lines 1 to 2 may have been stored, all or none of them; what follows was not.")]
    [InlineData(2, "millrace: 2 messages, up to line 2, had been stored before; lines 3 to 4 may have been stored, all or none of them; what follows was not.")]
    public async Task ABatchWhoseAnswerWasLost_IsSaidToBeUncertain(int cut, string message)
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        store.OnEnqueue = async (number, enqueue) =>
        {
            await enqueue();
            if (number == cut)
            {
                throw new BackendUnavailableException("The connection was cut.", mayHaveBeenApplied: true);
            }
        };

        var result = await world.RunWithInputAsync("1\n2\n3\n4\n5\n", "send", "q", "--batch", "2");

        Assert.Equal(ExitCodes.Failed, result.Code);
        Assert.Equal([message, "millrace: The connection was cut."], result.Error.TrimEnd('\n').Split('\n'));
    }
}
