using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>
/// How a consumer reads. Immutable. Its partitions are all of the stream's unless <see cref="Partitions"/>, or <see cref="Rank"/> with <see cref="WorldSize"/>, or
/// <see cref="Group"/> says otherwise: one of these.
/// </summary>
public sealed record StreamConsumerOptions
{
    /// <summary>The partitions to read; null, the default: see above.</summary>
    public IReadOnlyList<int>? Partitions { get; init; }

    /// <summary>Which of <see cref="WorldSize"/> readers this one is, from 0: partition i goes to reader i modulo the world size. Both or neither.</summary>
    public int? Rank { get; init; }

    /// <summary>How many readers share the stream.</summary>
    public int? WorldSize { get; init; }

    /// <summary>The consumer group: its members share the partitions, and its offsets are kept. Null, the default: no group, and nothing is committed.</summary>
    public string? Group { get; init; }

    /// <summary>Where to begin; in a group, only where it has no offset yet. <see cref="StreamStart.Earliest"/> unless set.</summary>
    public StreamStart Start { get; init; } = StreamStart.Earliest;

    /// <summary>What a stream that is not there is created with, and what it must have if it is; null, the default: it must be there, with whatever it has.</summary>
    public StreamSettings? Settings { get; init; }

    /// <summary>What to do when the next record has been trimmed; an error unless set.</summary>
    public OffsetReset WhenTrimmed { get; init; } = OffsetReset.Fail;

    /// <summary>The most records that enumerating fetches at a time; 500 unless set.</summary>
    public int FetchRecords { get; init; } = 500;

    /// <summary>The most bytes that are fetched from a partition at a time, but for one larger record; 1 MiB unless set.</summary>
    public int FetchBytes { get; init; } = 1024 * 1024;

    /// <summary>
    /// Whether a group's offsets are committed by themselves; true unless set. What one read returned counts as handled when the next one is asked for, and what is handled is
    /// committed every <see cref="AutoCommitInterval"/>, before a partition is given up, and at disposal. What the last read returned is not: it comes again unless
    /// <see cref="StreamConsumer{T}.CommitAsync(CancellationToken)"/> says that it is done.
    /// </summary>
    public bool AutoCommit { get; init; } = true;

    /// <summary>See <see cref="AutoCommit"/>; 5 s unless set.</summary>
    public TimeSpan AutoCommitInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a group's member may be silent before others take its partitions; 10 s unless set. It shows itself three times as often.</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>False in simulations: nothing runs by itself, and the test takes the steps.</summary>
    internal bool RunsByItself { get; init; } = true;

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option and its value.</exception>
    public void Validate()
    {
        var ways = (Partitions is null ? 0 : 1) + (Rank is null && WorldSize is null ? 0 : 1) + (Group is null ? 0 : 1);
        if (ways > 1)
        {
            throw new MillraceConfigurationException("A consumer gets its partitions by a list, by rank and world size, or by a group: set one of Partitions, Rank with WorldSize, Group.");
        }

        if ((Rank is null) != (WorldSize is null))
        {
            throw new MillraceConfigurationException($"A consumer's Rank and WorldSize belong together: Rank is {Rank?.ToString() ?? "not set"}, WorldSize is {WorldSize?.ToString() ?? "not set"}.");
        }

        if (WorldSize is { } worldSize && (worldSize < 1 || Rank < 0 || Rank >= worldSize))
        {
            throw new MillraceConfigurationException($"A consumer's WorldSize must be at least 1 and its Rank 0 to WorldSize - 1, not {Rank} of {worldSize}.");
        }

        Require(Partitions is null || (Partitions.Count > 0 && Partitions.Distinct().Count() == Partitions.Count), nameof(Partitions), "a list without repeats", Partitions?.Count);
        Require(FetchRecords >= 1, nameof(FetchRecords), "at least 1", FetchRecords);
        Require(FetchBytes is >= 1 and <= StreamCapabilities.DefaultMaxAppendBytes, nameof(FetchBytes), $"1 to {StreamCapabilities.DefaultMaxAppendBytes:N0}", FetchBytes);
        Require(AutoCommitInterval >= TimerRange.Shortest && AutoCommitInterval <= TimerRange.Longest, nameof(AutoCommitInterval), "1 ms to 49 days", AutoCommitInterval);
        Require(SessionTimeout >= TimeSpan.FromMilliseconds(100) && SessionTimeout <= TimerRange.Longest, nameof(SessionTimeout), "100 ms to 49 days", SessionTimeout);
    }

    private static void Require(bool holds, string option, string allowed, object? value)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException($"A consumer's {option} must be {allowed}, not '{value}'.");
        }
    }
}

/// <summary>What a consumer does when the record that comes next has been trimmed.</summary>
public enum OffsetReset
{
    /// <summary>Reading throws <see cref="OffsetOutOfRangeException"/>, until the caller seeks.</summary>
    Fail,

    /// <summary>It is logged, and reading goes on at the earliest record.</summary>
    Earliest,
}
