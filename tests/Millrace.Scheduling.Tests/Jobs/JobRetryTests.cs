using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>The delays of retry policies that are data.</summary>
public sealed class JobRetryTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(RetryDelay.Fixed, 1, 2, 2)]
    [InlineData(RetryDelay.Fixed, 9, 2, 2)]
    [InlineData(RetryDelay.Linear, 1, 2, 2)]
    [InlineData(RetryDelay.Linear, 3, 6, 6)]
    [InlineData(RetryDelay.Linear, 900, 20, 20)]
    [InlineData(RetryDelay.Random, 1, 2, 20)]
    [InlineData(RetryDelay.Random, 9, 2, 20)]
    [InlineData(RetryDelay.Exponential, 1, 0, 2)]
    [InlineData(RetryDelay.Exponential, 2, 0, 6)]
    [InlineData(RetryDelay.Exponential, 3, 0, 18)]
    [InlineData(RetryDelay.Exponential, 900, 0, 20)]
    public void ADelay_IsOfItsKind_AndWithinItsBounds(RetryDelay kind, int attempt, int least, int most)
    {
        var retry = new JobRetry { Kind = kind, Delay = 2 * Second, MaxDelay = 20 * Second, Factor = 3 };
        var random = new Random(attempt);
        var delays = Enumerable.Range(0, 1_000).Select(_ => retry.GetDelay(attempt, random)).ToList();

        Assert.All(delays, delay => Assert.InRange(delay, least * Second, most * Second));

        // They fill the whole of it, so that what failed together does not come back together.
        var tenth = (most - least) * Second / 10;
        Assert.InRange(delays.Min(), least * Second, (least * Second) + tenth);
        Assert.InRange(delays.Max(), (most * Second) - tenth, most * Second);
    }

    [Fact]
    public void APolicyOfNone_HasOneAttempt_AndNonsenseIsRefused()
    {
        Assert.Equal(1, JobRetry.None.MaxAttempts);
        JobRetry.Default.Validate();
        Assert.Contains(nameof(JobRetry.MaxDelay), Refusal(new JobRetry { Delay = 2 * Second, MaxDelay = Second }), StringComparison.Ordinal);
        Assert.Contains(nameof(JobRetry.MaxAttempts), Refusal(new JobRetry { MaxAttempts = 0 }), StringComparison.Ordinal);
        Assert.Contains(nameof(JobRetry.Factor), Refusal(new JobRetry { Factor = 0.5 }), StringComparison.Ordinal);

        static string Refusal(JobRetry retry) => Assert.Throws<MillraceConfigurationException>(retry.Validate).Message;
    }
}
