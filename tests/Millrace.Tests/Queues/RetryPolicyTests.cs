using Millrace.Queues;
using Xunit;

namespace Millrace.Tests.Queues;

public sealed class RetryPolicyTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Exponential_delays_are_uniform_between_zero_and_a_bound_that_grows_to_its_longest()
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        var policy = RetryPolicy.Exponential(Second, factor: 3, maxDelay: TimeSpan.FromSeconds(20));
        double[] bounds = [1, 3, 9, 20, 20];
        for (var attempt = 1; attempt <= bounds.Length; attempt++)
        {
            var delays = Enumerable.Range(0, 2_000).Select(_ => policy.GetDelay(attempt, null, random).TotalSeconds).ToArray();
            Assert.All(delays, delay => Assert.InRange(delay, 0, bounds[attempt - 1]));

            // A uniform mean of 2,000 draws strays from the middle by more than 5 % of the bound once in 10^14 runs.
            Assert.InRange(delays.Average(), bounds[attempt - 1] * 0.45, bounds[attempt - 1] * 0.55);
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_delays()
    {
        static TimeSpan[] Delays() => [.. Enumerable.Range(1, 20).Select(attempt => RetryPolicy.Default.GetDelay(attempt, null, new Random(attempt)))];

        Assert.Equal(Delays(), Delays());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1_000)]
    [InlineData(int.MaxValue)]
    public void No_attempt_overflows_a_delay(int attempt)
    {
        var random = new Random(1);
        Assert.InRange(RetryPolicy.Exponential(Second, factor: 10).GetDelay(attempt, null, random), TimeSpan.Zero, TimeSpan.FromMinutes(5));
        Assert.InRange(RetryPolicy.Linear(Second).GetDelay(attempt, null, random), Second, TimeSpan.FromMinutes(5));
        Assert.Equal(RetryPolicy.LongestDelay, RetryPolicy.Fixed(TimeSpan.MaxValue).GetDelay(attempt, null, random));
    }

    [Fact]
    public void Fixed_linear_and_custom_delays_are_what_they_say()
    {
        var random = new Random(1);
        Assert.Equal(Second, RetryPolicy.Fixed(Second).GetDelay(7, null, random));
        Assert.Equal(TimeSpan.FromSeconds(7), RetryPolicy.Linear(Second).GetDelay(7, null, random));
        Assert.Equal(TimeSpan.FromSeconds(5), RetryPolicy.Linear(Second, TimeSpan.FromSeconds(5)).GetDelay(7, null, random));
        var seen = new FormatException();
        var custom = RetryPolicy.Custom((attempt, exception) => ReferenceEquals(exception, seen) ? Second * attempt : -Second);
        Assert.Equal(TimeSpan.FromSeconds(3), custom.GetDelay(3, seen, random));
        Assert.Equal(TimeSpan.Zero, custom.GetDelay(3, null, random));
    }

    [Fact]
    public void Everything_is_retried_but_what_stays_wrong()
    {
        Assert.True(RetryPolicy.Default.IsRetryable(new TimeoutException()));
        Assert.True(RetryPolicy.Default.IsRetryable(new BackendUnavailableException("cut")));
        Assert.False(RetryPolicy.Default.IsRetryable(new InvalidMessageException("not valid")));
        Assert.False(RetryPolicy.Default.IsRetryable(new MillraceConfigurationException("wrong")));
    }

    [Fact]
    public void Which_failures_are_retried_can_be_narrowed_and_widened_without_changing_the_original()
    {
        var narrowed = RetryPolicy.Default.RetryExcept<ArgumentException>();
        Assert.False(narrowed.IsRetryable(new ArgumentNullException("x")));
        Assert.True(narrowed.IsRetryable(new FormatException()));
        Assert.True(RetryPolicy.Default.IsRetryable(new ArgumentNullException("x")));
        Assert.True(RetryPolicy.Default.RetryAlso<InvalidMessageException>().IsRetryable(new InvalidMessageException("x")));
        Assert.False(RetryPolicy.Default.RetryWhen(exception => exception is TimeoutException).IsRetryable(new FormatException()));
        Assert.Equal(3, RetryPolicy.Default.RetryExcept<ArgumentException>().WithMaxAttempts(3).RetryAlso<FormatException>().MaxAttempts);
        Assert.Null(RetryPolicy.Default.MaxAttempts);
        Assert.Equal(1, RetryPolicy.None.MaxAttempts);
    }

    [Fact]
    public void Policies_that_make_no_sense_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Exponential(TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Exponential(Second, factor: 0.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Exponential(Second, factor: double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Exponential(Second, factor: double.PositiveInfinity));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Exponential(Second, maxDelay: TimeSpan.FromMilliseconds(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Fixed(-Second));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Linear(TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Default.WithMaxAttempts(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetryPolicy.Default.GetDelay(0, null, new Random(1)));
    }

    [Fact]
    public void A_policy_says_what_it_does() =>
        Assert.Equal("fixed 00:00:01, 5 attempts", RetryPolicy.Fixed(Second).WithMaxAttempts(5).ToString());
}
