using System.Buffers.Binary;

namespace Millrace.App.Bench;

/// <summary>
/// What stands in the body of a message: of which run it is, its number, and when it was to be sent. The rest is random, so that no compression flatters the result.
/// </summary>
/// <param name="Run">A random number of the run.</param>
/// <param name="Number">Counts the messages of a run from 0.</param>
/// <param name="Timestamp">When it was to be sent, by this process's clock.</param>
internal readonly record struct BenchMessage(long Run, long Number, long Timestamp)
{
    public const int HeadBytes = 3 * sizeof(long);

    public void Write(Span<byte> body)
    {
        BinaryPrimitives.WriteInt64LittleEndian(body, Run);
        BinaryPrimitives.WriteInt64LittleEndian(body[sizeof(long)..], Number);
        BinaryPrimitives.WriteInt64LittleEndian(body[(2 * sizeof(long))..], Timestamp);
    }

    /// <summary>Reads a body; false when it is too short to be one of ours.</summary>
    public static bool TryRead(ReadOnlySpan<byte> body, out BenchMessage message)
    {
        message = default;
        if (body.Length < HeadBytes)
        {
            return false;
        }

        message = new BenchMessage(
            BinaryPrimitives.ReadInt64LittleEndian(body),
            BinaryPrimitives.ReadInt64LittleEndian(body[sizeof(long)..]),
            BinaryPrimitives.ReadInt64LittleEndian(body[(2 * sizeof(long))..]));
        return true;
    }
}
