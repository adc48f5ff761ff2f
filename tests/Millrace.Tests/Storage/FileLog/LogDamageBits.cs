using Millrace.Storage.FileLog;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>The bits of a segment that tests flip.</summary>
internal static class LogDamageBits
{
    /// <summary>The offsets of the frames of a segment, and then where it ends.</summary>
    public static List<int> FramesOf(ReadOnlySpan<byte> segment)
    {
        var frames = new List<int>();
        var at = LogFormat.HeaderBytes;
        while (segment.Length - at >= LogFormat.FrameBytes && LogFormat.LengthOf(segment[at..]) is > 0 and var length)
        {
            frames.Add(at);
            at += LogFormat.FrameBytes + length;
        }

        return [.. frames, at];
    }

    /// <summary>Every bit of the heads of the first frame, one in the middle and the last: the frame's number, and the bit's from the beginning of the segment.</summary>
    public static IEnumerable<(int Frame, int Bit)> OfHeads(List<int> frames)
    {
        var last = frames.Count - 2;
        foreach (var frame in new[] { 0, last / 2, last }.Distinct())
        {
            for (var bit = 0; bit < LogFormat.FrameBytes * 8; bit++)
            {
                yield return (frame, (frames[frame] * 8) + bit);
            }
        }
    }

    /// <summary>A copy of a segment with a bit flipped.</summary>
    public static byte[] Flipped(byte[] segment, int bit)
    {
        var damaged = (byte[])[.. segment];
        damaged[bit / 8] ^= (byte)(1 << (bit % 8));
        return damaged;
    }
}
