using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>How a producer works. Immutable.</summary>
/// <typeparam name="T">The type of the messages.</typeparam>
public sealed record StreamProducerOptions<T>
{
    /// <summary>What the stream is created with, and must have if it is there already; null, the default: one partition, and whatever it has.</summary>
    public StreamSettings? Settings { get; init; }

    /// <summary>Whether a stream that is not there is created by the first append; true unless set. Otherwise that is a <see cref="StreamNotFoundException"/>.</summary>
    public bool Create { get; init; } = true;

    /// <summary>Finds a message's key; null, the default, or a null key: none. Messages of one key are in one partition, in order.</summary>
    public Func<T, string?>? Key { get; init; }

    /// <summary>
    /// The property of the message's JSON object that is its key, spelled as in the JSON: <c>customerId</c>. A text is the key as it is, a number or truth value by its JSON text.
    /// A message without it, or with anything else there, is refused. Not together with <see cref="Key"/>. Null, the default: none.
    /// </summary>
    public string? KeyProperty { get; init; }

    /// <summary>The serializer's name or content type; null, the default: the client's.</summary>
    public string? Serializer { get; init; }

    /// <summary>How long an append waits for others to share a write with it; zero, the default: not at all, they share when the write before is still under way.</summary>
    public TimeSpan Linger { get; init; }

    /// <summary>The most records of one write, but for a batch that its caller made larger; 1,000 unless set.</summary>
    public int BatchSize { get; init; } = 1000;

    /// <summary>The most bytes of one write, but for a batch that its caller made larger; 1 MiB unless set.</summary>
    public int MaxBatchBytes { get; init; } = 1024 * 1024;

    /// <summary>How many bytes may wait to be written; who comes beyond that waits. 32 MiB unless set.</summary>
    public long MaxBufferedBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>
    /// Whether repeats after a cut are recognized by the store and stored once (law S8); true unless set. Without it, what may have been stored is not repeated and fails.
    /// </summary>
    public bool Idempotent { get; init; } = true;

    /// <summary>How long transient faults are waited out before an append fails; 30 s unless set, zero for not at all.</summary>
    public TimeSpan RetryFor { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option and its value.</exception>
    public void Validate()
    {
        if (Key is not null && KeyProperty is not null)
        {
            throw new MillraceConfigurationException($"A producer finds keys by a function or by a property, not by both (KeyProperty is '{KeyProperty}').");
        }

        Require(KeyProperty is not "", nameof(KeyProperty), "a name", KeyProperty);
        Require(Linger >= TimeSpan.Zero && Linger <= TimerRange.Longest, nameof(Linger), "0 to 49 days", Linger);
        Require(BatchSize >= 1, nameof(BatchSize), "at least 1", BatchSize);
        Require(MaxBatchBytes is >= 1 and <= StreamCapabilities.DefaultMaxAppendBytes, nameof(MaxBatchBytes), $"1 to {StreamCapabilities.DefaultMaxAppendBytes:N0}", MaxBatchBytes);
        Require(MaxBufferedBytes >= 1, nameof(MaxBufferedBytes), "at least 1", MaxBufferedBytes);
        Require(RetryFor >= TimeSpan.Zero && RetryFor <= TimerRange.Longest, nameof(RetryFor), "0 to 49 days", RetryFor);
    }

    private static void Require(bool holds, string option, string allowed, object? value)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException($"A producer's {option} must be {allowed}, not '{value}'.");
        }
    }
}
