namespace Millrace;

/// <summary>
/// The one family of faults that Millrace throws. Expected outcomes (a duplicate, a lost lease, an empty queue) are values, not exceptions;
/// a null or out-of-range argument of the API itself is an <see cref="ArgumentException"/> as everywhere in .NET.
/// </summary>
public abstract class MillraceException : Exception
{
    /// <summary>A fault that is described by <paramref name="message"/>.</summary>
    protected MillraceException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>Whether the same call may succeed later without any change by the caller.</summary>
    public virtual bool IsTransient => false;
}

/// <summary>A configuration, URL or option that cannot work. Thrown when something is opened or started, never at the first message.</summary>
public class MillraceConfigurationException : MillraceException
{
    /// <summary>A configuration fault that is described by <paramref name="message"/>.</summary>
    public MillraceConfigurationException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>A backend was asked for something that it does not have.</summary>
public sealed class BackendCapabilityException : MillraceConfigurationException
{
    /// <summary>Names the backend, what it lacks, and who has it.</summary>
    /// <param name="backend">The backend that was asked.</param>
    /// <param name="capability">The shape or feature it lacks, such as <c>channel</c> or <c>queue transactions</c>.</param>
    /// <param name="available">The backends that have it; may be empty.</param>
    public BackendCapabilityException(string backend, string capability, IReadOnlyList<string> available)
        : base(Describe(backend, capability, available))
    {
        Backend = backend;
        Capability = capability;
        Available = available;
    }

    /// <summary>The backend that was asked.</summary>
    public string Backend { get; }

    /// <summary>What it lacks.</summary>
    public string Capability { get; }

    /// <summary>The backends that have it.</summary>
    public IReadOnlyList<string> Available { get; }

    private static string Describe(string backend, string capability, IReadOnlyList<string> available)
    {
        ArgumentNullException.ThrowIfNull(available);
        return available.Count == 0
            ? $"The backend '{backend}' has no {capability}."
            : $"The backend '{backend}' has no {capability}. Backends that have it: {string.Join(", ", available)}.";
    }
}

/// <summary>A name of a queue, stream, lock or topic breaks the rule of <see cref="ResourceName"/>.</summary>
public sealed class InvalidNameException : MillraceException
{
    private const int ShownCharacters = 60;

    /// <summary>Says which name is wrong, and why.</summary>
    public InvalidNameException(string kind, string name, string reason)
        : base($"'{Shown(name)}' is no valid {kind} name: {reason}.")
    {
        Kind = kind;
        Name = name;
        Reason = reason;
    }

    /// <summary>What was named: "queue", "stream", "lock", "topic".</summary>
    public string Kind { get; }

    /// <summary>The name as it was given.</summary>
    public string Name { get; }

    /// <summary>The rule that it breaks.</summary>
    internal string Reason { get; }

    private static string Shown(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var head = name.Length <= ShownCharacters ? name : string.Concat(name.AsSpan(0, ShownCharacters), "…");
        return string.Create(head.Length, head, static (span, text) =>
        {
            for (var i = 0; i < text.Length; i++)
            {
                span[i] = char.IsControl(text[i]) || char.IsSurrogate(text[i]) ? '\uFFFD' : text[i];
            }
        });
    }
}

/// <summary>A message that no store would take: over a limit, out of range, or not valid. Nothing of its batch was stored.</summary>
public class InvalidMessageException : MillraceException
{
    /// <summary>A fault of a message that is described by <paramref name="message"/>.</summary>
    public InvalidMessageException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>A queue that must exist does not.</summary>
public sealed class QueueNotFoundException : MillraceException
{
    /// <summary>Names the queue.</summary>
    public QueueNotFoundException(string queue)
        : base($"There is no queue '{queue}'. Create it, or send to it with a store that creates queues on demand (autocreate=true, the default).")
        => Queue = queue;

    /// <summary>The queue that was asked for.</summary>
    public string Queue { get; }
}

/// <summary>A queue is at its bound and refused the whole batch (law Q9). Transient: it passes when consumers catch up.</summary>
public sealed class QueueFullException : MillraceException
{
    /// <summary>Names the queue and the bound.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="bound">The bound that would have been broken, such as <c>maxLength 1000</c>.</param>
    public QueueFullException(string queue, string bound)
        : base($"Queue '{queue}' is full ({bound}): nothing of the batch was stored. Send again when consumers have caught up, raise the bound, or set the overflow policy to drop-oldest.")
        => (Queue, Bound) = (queue, bound);

    /// <summary>The queue that is full.</summary>
    public string Queue { get; }

    /// <summary>The bound that would have been broken.</summary>
    internal string Bound { get; }

    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary>A backend could not be reached or could not finish: a cut connection, a full disk, a locked file.</summary>
public sealed class BackendUnavailableException : MillraceException
{
    /// <summary>A fault of the backend that is described by <paramref name="message"/>.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="mayHaveBeenApplied">True when the operation's fate is unknown, as after a cut in the middle.</param>
    /// <param name="innerException">The backend's own error.</param>
    public BackendUnavailableException(string message, bool mayHaveBeenApplied = false, Exception? innerException = null)
        : base(message, innerException)
        => MayHaveBeenApplied = mayHaveBeenApplied;

    /// <summary>True when the operation may have been applied although its answer was lost. Repeat it only where that is harmless, such as an enqueue with ids.</summary>
    public bool MayHaveBeenApplied { get; }

    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary>
/// A backend was reached and has answered with an error of its own: it lacks something that its operator has to see to, or does not let Millrace do this. Nothing was changed unless
/// the text says otherwise.
/// </summary>
public class BackendErrorException : MillraceException
{
    /// <summary>Says what the backend answered, where, and what to do.</summary>
    public BackendErrorException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>A server did not accept who the caller says to be, or does not let that user do this. The same call will not succeed until the server's users change.</summary>
public sealed class AccessDeniedException : MillraceException
{
    /// <summary>Says what was refused.</summary>
    public AccessDeniedException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>Stored data that cannot be read: damaged, of another program, or of a newer version. Nothing was changed.</summary>
public sealed class StorageCorruptException : MillraceException
{
    /// <summary>Says where, and what is wrong.</summary>
    public StorageCorruptException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>Where reading can go on behind the damage, when records of a stream's partition cannot be read; null otherwise.</summary>
    public long? ResumeOffset { get; init; }
}

/// <summary>A stream was opened in a way that does not fit how it was created (law S3).</summary>
public sealed class StreamMismatchException : MillraceConfigurationException
{
    /// <summary>Says which stream, what it was created with, and what was asked.</summary>
    public StreamMismatchException(string message)
        : base(message)
    {
    }
}

/// <summary>A stream that must exist does not.</summary>
public sealed class StreamNotFoundException : MillraceException
{
    /// <summary>Names the stream.</summary>
    public StreamNotFoundException(string stream)
        : base($"There is no stream '{stream}'. Create it first: 'millrace stream create {stream}', or client.Streams.CreateAsync in code; a producer creates it unless it was told not to.")
        => Stream = stream;

    /// <summary>The stream that was asked for.</summary>
    public string Stream { get; }
}

/// <summary>A read below the start of a stream's partition, or by one who stands beyond its end (law S5).</summary>
public sealed class OffsetOutOfRangeException : MillraceException
{
    /// <summary>Names the offsets.</summary>
    public OffsetOutOfRangeException(string stream, int partition, long offset, long earliest)
        : base($"Offset {offset} of stream '{stream}', partition {partition}, has been trimmed: the earliest is {earliest}.")
        => (Stream, Partition, Offset, Earliest) = (stream, partition, offset, earliest);

    /// <summary>Of an offset that lies beyond the end. Names the offsets.</summary>
    public OffsetOutOfRangeException(string stream, int partition, long offset, long earliest, long end)
        : base($"Offset {offset} of stream '{stream}', partition {partition}, lies beyond its end: the next record gets the offset {end}. Either nobody has written so far yet, or what lay there "
            + $"was lost or deleted. Seek to {end} to go on with what comes, or to {earliest} for everything that is there.")
        => (Stream, Partition, Offset, Earliest, End) = (stream, partition, offset, earliest, end);

    /// <summary>The stream that was read.</summary>
    public string Stream { get; }

    /// <summary>The partition that was read.</summary>
    public int Partition { get; }

    /// <summary>The offset that was asked for.</summary>
    public long Offset { get; }

    /// <summary>The earliest offset that can be read.</summary>
    public long Earliest { get; }

    /// <summary>The end of the partition when the offset lies beyond it; null when the offset has been trimmed.</summary>
    public long? End { get; }
}
