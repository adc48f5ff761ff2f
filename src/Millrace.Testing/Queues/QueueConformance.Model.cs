using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    /// <summary>
    /// What a random history exercises. Each leaves out what the laws leave open where two of them meet: which comes first for a message that is both expired and out of
    /// attempts, and when a store notices that the last lease of one has ended, from when its id's window runs.
    /// </summary>
    private static readonly (string Name, bool Keys, bool Lifetimes, bool Repeats, QueueSettings Settings)[] Histories =
    [
        ("keys, attempts", true, false, false, new QueueSettings { MaxDeliveries = 3 }),
        ("keys, repeats", true, false, true, new QueueSettings { MaxDeliveries = 1000, DedupWindow = TimeSpan.FromSeconds(30) }),
        ("lifetimes", false, true, true, new QueueSettings { MaxDeliveries = 1000, DedupWindow = TimeSpan.FromSeconds(30) }),
        ("lifetimes, dead-lettered", false, true, true, new QueueSettings { MaxDeliveries = 1000, DeadLetterExpired = true, DedupWindow = TimeSpan.Zero }),
        ("bound that refuses", true, false, true, new QueueSettings { MaxDeliveries = 1000, MaxLength = 12 }),
        ("bound that drops", false, false, true, new QueueSettings { MaxDeliveries = 1000, MaxLength = 12, Overflow = QueueOverflow.DropOldest }),
    ];

    /// <summary>
    /// All laws at once: random histories, each step of which must be answered as <see cref="QueueModel"/> answers it. A failure names its seed;
    /// <c>MILLRACE_SEED</c> replays it.
    /// </summary>
    [Fact]
    public async Task Q1ToQ12_RandomHistories_AreAnsweredAsTheModelAnswersThem()
    {
        Require(QueueFeatures.All);
        var replayed = Environment.GetEnvironmentVariable("MILLRACE_SEED");
        var seeds = replayed is not null
            ? [int.Parse(replayed, CultureInfo.InvariantCulture)]
            : Enumerable.Range(0, IsFullRun ? 500 : 20).Select(_ => Random.Shared.Next()).ToArray();
        foreach (var seed in seeds)
        {
            await RunHistoryAsync(seed, IsFullRun ? 600 : 200);
        }
    }

    private async Task RunHistoryAsync(int seed, int steps)
    {
        var random = new Random(seed);
        var kind = Histories[random.Next(Histories.Length)];
        TestContext.Current.TestOutputHelper?.WriteLine($"MILLRACE_SEED={seed} ({kind.Name}, {steps} steps)");
        var queue = string.Create(CultureInfo.InvariantCulture, $"{Queue}-{seed}");
        Assert.True(await Soon(Admin.CreateQueueAsync(queue, kind.Settings, Cancellation)));
        var history = new QueueHistory(
            Store, Admin, Clock, queue, new QueueModel(kind.Settings), random, (kind.Keys, kind.Lifetimes, kind.Repeats, Clock.Margin == TimeSpan.Zero), Cancellation);
        await using (history)
        {
            try
            {
                await Soon(history.OpenAsync());
                for (var step = 0; step < steps; step++)
                {
                    await Soon(history.StepAsync());
                }

                await history.FinishAsync();
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                Assert.Fail($"The history with MILLRACE_SEED={seed} ({kind.Name}) went wrong:\n{history.Log}\n{exception}");
            }
        }
    }
}
