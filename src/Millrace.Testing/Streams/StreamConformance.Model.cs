using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    /// <summary>
    /// All laws at once: random histories, each step of which must be answered as <see cref="StreamModel"/> answers it. A failure names its seed;
    /// <c>MILLRACE_SEED</c> replays it.
    /// </summary>
    [Fact]
    public async Task S1ToS9_RandomHistories_AreAnsweredAsTheModelAnswersThem()
    {
        var replayed = Environment.GetEnvironmentVariable("MILLRACE_SEED");
        var seeds = replayed is not null
            ? [int.Parse(replayed, CultureInfo.InvariantCulture)]
            : Enumerable.Range(0, IsFullRun ? 200 : 10).Select(_ => Random.Shared.Next()).ToArray();
        foreach (var seed in seeds)
        {
            await RunHistoryAsync(seed, IsFullRun ? 600 : 150);
        }
    }

    private async Task RunHistoryAsync(int seed, int steps)
    {
        var random = new Random(seed);
        TestContext.Current.TestOutputHelper?.WriteLine($"MILLRACE_SEED={seed} ({steps} steps)");
        var retention = random.Next(3) switch
        {
            0 => new StreamRetention { MaxRecords = random.Next(5, 60) },
            1 => new StreamRetention { MaxBytes = random.Next(1_000, 20_000) },
            _ => StreamRetention.Forever,
        };
        var context = At(random.Next(Partitions), retention: retention) with { Stream = string.Create(CultureInfo.InvariantCulture, $"{Stream}-{seed}") };
        var history = new StreamHistory(
            async kind =>
            {
                await (kind switch { StreamHistory.Restart.Reopen => ReopenAsync(), StreamHistory.Restart.Crash => CrashAsync(), _ => default });
                return await OpenAsync(context);
            },
            Clock,
            new StreamModel(retention),
            random,
            Fixture.CanReopen,
            Cancellation);
        try
        {
            await Soon(history.OpenAsync());
            for (var step = 0; step < steps; step++)
            {
                await Soon(history.StepAsync());
            }

            await Soon(history.FinishAsync());
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            Assert.Fail($"The history with MILLRACE_SEED={seed} ({retention}) went wrong:\n{history.Log}\n{exception}");
        }
    }
}
