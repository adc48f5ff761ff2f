using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Millrace.Storage.FileLog;

/// <summary>The bytes of a log's segments, format 1; docs/formats.md describes them, and how to change them.</summary>
/// <remarks>
/// <code>
/// segment = header frame* zeros
/// header  = "MRLOG\0" version:u16 start:u64 reserved:u64(0) 0:u32 check:u32        32 bytes
/// frame   = length:u32 check:u32 payload                                           length > 0
/// </code>
/// The check of a frame is the CRC of its payload, xor the CRC of its position and length: so a frame that stands where it was not meant to, be it by a write that went astray, is none.
/// A length of zero ends a segment, because the space that is not written yet is zero.
/// </remarks>
internal static class LogFormat
{
    /// <summary>The version that is written.</summary>
    public const ushort Version = 1;

    /// <summary>The bytes of a segment before its first frame.</summary>
    public const int HeaderBytes = 32;

    /// <summary>The bytes of a frame before its payload.</summary>
    public const int FrameBytes = 8;

    /// <summary>The longest payload: a frame and its segment's header fit an array.</summary>
    public const int MaxPayloadBytes = 1 << 30;

    private const string Extension = ".log";
    private const int NameDigits = 16;

    private static ReadOnlySpan<byte> Magic => "MRLOG\0"u8;

    /// <summary>The file name of the segment that starts at a position.</summary>
    public static string NameOf(long start) => start.ToString("x16", CultureInfo.InvariantCulture) + Extension;

    /// <summary>Where the segment of a file name starts; false for other files.</summary>
    public static bool TryParseName(string name, out long start)
    {
        start = 0;
        return name.Length == NameDigits + Extension.Length
            && name.EndsWith(Extension, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(0, NameDigits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out start)
            && start >= 0;
    }

    /// <summary>Writes the header of the segment that starts at <paramref name="start"/>.</summary>
    public static void WriteHeader(Span<byte> into, long start)
    {
        into[..HeaderBytes].Clear();
        Magic.CopyTo(into);
        BinaryPrimitives.WriteUInt16LittleEndian(into[6..], Version);
        BinaryPrimitives.WriteInt64LittleEndian(into[8..], start);
        BinaryPrimitives.WriteUInt32LittleEndian(into[28..], Crc32C.Of(into[..28]));
    }

    /// <summary>What is wrong with a header; null when nothing is.</summary>
    /// <exception cref="StorageCorruptException">The segment was written by a newer version.</exception>
    public static string? CheckHeader(ReadOnlySpan<byte> header, long start, string file)
    {
        if (header.Length < HeaderBytes || !header.StartsWith(Magic) || BinaryPrimitives.ReadUInt32LittleEndian(header[28..]) != Crc32C.Of(header[..28]))
        {
            return "its header is damaged, or it is no file of this log";
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(header[6..]);
        if (version != Version)
        {
            throw new StorageCorruptException($"The file '{file}' has format {version}, and this version of Millrace reads format {Version}. Open it with the version that wrote it; nothing was changed.");
        }

        return BinaryPrimitives.ReadInt64LittleEndian(header[8..]) == start ? null : "its header names another position than its name";
    }

    /// <summary>Writes the head of a frame.</summary>
    /// <param name="into">At least <see cref="FrameBytes"/>.</param>
    /// <param name="framePosition">Where the frame stands in the log.</param>
    /// <param name="length">The bytes of its payload.</param>
    /// <param name="payloadCrc">The CRC of its payload.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WriteFrame(Span<byte> into, long framePosition, int length, uint payloadCrc)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(into, (uint)length);
        BinaryPrimitives.WriteUInt32LittleEndian(into[4..], payloadCrc ^ Crc32C.Of(framePosition, (uint)length));
    }

    /// <summary>The length that the head of a frame names: 0 where there is none, -1 where it cannot be.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int LengthOf(ReadOnlySpan<byte> frame)
    {
        var length = BinaryPrimitives.ReadUInt32LittleEndian(frame);
        return length <= MaxPayloadBytes ? (int)length : -1;
    }

    /// <summary>Whether a whole frame is what was once written at this position.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsValid(ReadOnlySpan<byte> frame, long framePosition)
    {
        var check = BinaryPrimitives.ReadUInt32LittleEndian(frame[4..]);
        return check == (Crc32C.Of(frame[FrameBytes..]) ^ Crc32C.Of(framePosition, (uint)(frame.Length - FrameBytes)));
    }
}
