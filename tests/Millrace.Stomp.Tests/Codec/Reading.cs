using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>What a stream of bytes held.</summary>
/// <param name="Frames">The frames in order.</param>
/// <param name="Status">How it ended: more bytes are needed, or a fault.</param>
/// <param name="Fault">The summary of the fault.</param>
/// <param name="ReceiptId">The receipt that the faulty frame asked for.</param>
internal sealed record Reading(IReadOnlyList<ReadFrame> Frames, ParseStatus Status, string? Fault = null, string? ReceiptId = null)
{
    /// <inheritdoc/>
    public bool Equals(Reading? other) =>
        other is not null && Status == other.Status && Fault == other.Fault && ReceiptId == other.ReceiptId && Frames.SequenceEqual(other.Frames);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Status, Frames.Count, Fault);

    /// <inheritdoc/>
    public override string ToString() => $"{Status} {Fault} {ReceiptId}\n{string.Join('\n', Frames)}";
}
