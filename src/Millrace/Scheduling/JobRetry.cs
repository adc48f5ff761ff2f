using System.Text.Json.Serialization;
using Millrace.Queues;

namespace Millrace.Scheduling;

/// <summary>How the delay before the next attempt is found.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<RetryDelay>))]
public enum RetryDelay
{
    /// <summary>A random delay up to a bound that grows by <see cref="JobRetry.Factor"/> with each attempt, from <see cref="JobRetry.Delay"/> up to <see cref="JobRetry.MaxDelay"/>.</summary>
    Exponential,

    /// <summary>Always <see cref="JobRetry.Delay"/>.</summary>
    Fixed,

    /// <summary><see cref="JobRetry.Delay"/> times the number of the attempt, up to <see cref="JobRetry.MaxDelay"/>.</summary>
    Linear,

    /// <summary>Uniformly random between <see cref="JobRetry.Delay"/> and <see cref="JobRetry.MaxDelay"/>.</summary>
    Random,
}

/// <summary>A retry policy as data: kept with a schedule or sent with a job, so that it holds on any node and is shown by tools. Immutable.</summary>
public sealed record JobRetry
{
    /// <summary>The most attempts that can be asked for: job queues dead-letter what was tried more often.</summary>
    public const int MostAttempts = 1_000;

    /// <summary>Exponential from 1 s up to 5 minutes, 10 attempts.</summary>
    public static JobRetry Default { get; } = new();

    /// <summary>One attempt.</summary>
    public static JobRetry None { get; } = new() { MaxAttempts = 1 };

    /// <summary>How many attempts in all, the first one included; 10 unless set, 1 to <see cref="MostAttempts"/>.</summary>
    public int MaxAttempts { get; init; } = 10;

    /// <summary>How the delay grows; <see cref="RetryDelay.Exponential"/> unless set.</summary>
    public RetryDelay Kind { get; init; }

    /// <summary>The first, the fixed, or the least delay; 1 s unless set.</summary>
    public TimeSpan Delay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest delay; 5 minutes unless set.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How fast an exponential delay grows; 2 unless set, at least 1.</summary>
    public double Factor { get; init; } = 2;

    /// <summary>The exceptions that are worth another attempt, by full name or by the name of the class alone, derived ones included; empty, the default: all.</summary>
    public IReadOnlyList<string> RetryOn { get; init; } = [];

    /// <summary>The exceptions that are not, even if they are in <see cref="RetryOn"/>; named alike.</summary>
    public IReadOnlyList<string> FailOn { get; init; } = [];

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option, its value and what is allowed.</exception>
    public void Validate()
    {
        Require(MaxAttempts is >= 1 and <= MostAttempts, nameof(MaxAttempts), MaxAttempts, $"1 to {MostAttempts:N0}");
        Require(Enum.IsDefined(Kind), nameof(Kind), Kind, "Exponential, Fixed, Linear or Random");
        Require(Delay >= TimeSpan.Zero && Delay <= RetryPolicy.LongestDelay, nameof(Delay), Delay, "0 to 30 days");
        Require(Kind == RetryDelay.Fixed || (MaxDelay >= Delay && MaxDelay <= RetryPolicy.LongestDelay), nameof(MaxDelay), MaxDelay, "at least the delay, up to 30 days");
        Require(Factor >= 1 && !double.IsInfinity(Factor), nameof(Factor), Factor, "a finite number of at least 1");
    }

    /// <summary>Whether a failure is worth another attempt.</summary>
    public bool IsRetryable(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return RetryPolicy.Default.IsRetryable(exception)
            && (RetryOn.Count == 0 || IsAmong(RetryOn, exception))
            && !IsAmong(FailOn, exception);
    }

    /// <summary>The delay before the next attempt.</summary>
    /// <param name="attempt">The attempt that failed, from 1.</param>
    /// <param name="random">The source of jitter.</param>
    public TimeSpan GetDelay(int attempt, Random random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(attempt, 1);
        ArgumentNullException.ThrowIfNull(random);
        var ticks = Kind switch
        {
            RetryDelay.Fixed => Delay.Ticks,
            RetryDelay.Linear => Math.Min(MaxDelay.Ticks, (double)Delay.Ticks * attempt),
            RetryDelay.Random => Delay.Ticks + (random.NextDouble() * (MaxDelay.Ticks - Delay.Ticks)),
            _ => random.NextDouble() * Math.Min(MaxDelay.Ticks, Delay.Ticks * Math.Pow(Factor, attempt - 1)),
        };
        return TimeSpan.FromTicks((long)ticks);
    }

    /// <inheritdoc/>
    public bool Equals(JobRetry? other) =>
        other is not null
        && (MaxAttempts, Kind, Delay, MaxDelay, Factor) == (other.MaxAttempts, other.Kind, other.Delay, other.MaxDelay, other.Factor)
        && RetryOn.SequenceEqual(other.RetryOn, StringComparer.Ordinal)
        && FailOn.SequenceEqual(other.FailOn, StringComparer.Ordinal);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(MaxAttempts, Kind, Delay, MaxDelay, Factor, RetryOn.Count, FailOn.Count);

    private static bool IsAmong(IReadOnlyList<string> names, Exception exception)
    {
        for (var type = exception.GetType(); type is not null && names.Count > 0; type = type.BaseType)
        {
            if (names.Contains(type.FullName, StringComparer.Ordinal) || names.Contains(type.Name, StringComparer.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    private static void Require(bool holds, string option, object value, string allowed)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException($"The retry option {option} must be {allowed}, not {value}.");
        }
    }
}
