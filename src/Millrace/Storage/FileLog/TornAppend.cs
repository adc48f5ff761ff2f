using System.Buffers.Binary;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <summary>Tells the rest of an append that a crash has cut off, which nobody was told is stored, from damage to what was. In doubt it is damage; docs/formats.md has the rule.</summary>
/// <remarks>
/// Of a torn append something was not written, and reads as zeros: its end, or a sector. Nothing stands behind it. So it is damage where nothing is missing; where a whole frame stands behind
/// the head, also within what the head claims, because its length may be what is damaged; and where the frame is whole but for its length or a bit. A whole frame does not stand there by
/// chance, nor as a part of what somebody has sent: its check knows its position.
/// </remarks>
internal sealed class TornAppend
{
    /// <summary>What a disk writes as a whole, or not at all.</summary>
    private const int SectorBytes = 512;

    /// <summary>A longer frame of which much is missing might be whole but for a bit by chance: for one of this length it is one in two thousand.</summary>
    private const int MaxMendedBytes = 256 * 1024;

    private readonly byte[] _rest;
    private readonly StretchChecksums _checksums;
    private readonly long _offset;
    private readonly long _position;
    private readonly long _room;

    private TornAppend(byte[] rest, long start, long offset, long room) =>
        (_rest, _checksums, _offset, _position, _room) = (rest, new StretchChecksums(rest), offset, start + offset, room);

    /// <summary>Whether a log ends in a torn append. It takes memory for what was written from there on, and time in proportion to that.</summary>
    /// <param name="file">The last segment.</param>
    /// <param name="start">The position of its first byte.</param>
    /// <param name="offset">Where in it the frame begins that is not whole.</param>
    /// <param name="written">Behind the last byte that is not zero.</param>
    public static bool IsAt(IStorageFile file, long start, long offset, long written)
    {
        Span<byte> head = stackalloc byte[LogFormat.FrameBytes];
        head.Clear();
        DurableFile.ReadUpTo(file, head, offset);
        var length = LogFormat.LengthOf(head);
        if (length <= 0 || written > offset + LogFormat.FrameBytes + length)
        {
            return false;
        }

        var rest = new byte[Math.Max(written - offset, LogFormat.FrameBytes)];
        DurableFile.ReadUpTo(file, rest, offset);
        var found = new TornAppend(rest, start, offset, file.Length - offset);
        return found.Lacks(length) && !found.HoldsFrame() && !found.IsWholeButForItsLength(length) && !found.IsWholeButForABit(length);
    }

    /// <summary>Whether something of the frame may not have been written.</summary>
    private bool Lacks(int length)
    {
        if (_rest.Length < LogFormat.FrameBytes + length)
        {
            return true;
        }

        var bytesOfSector = 0;
        for (var at = 0; at < _rest.Length; at += bytesOfSector)
        {
            bytesOfSector = Math.Min(SectorBytes - (int)((_offset + at) % SectorBytes), _rest.Length - at);
            if (!_rest.AsSpan(at, bytesOfSector).ContainsAnyExcept((byte)0))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a whole frame begins anywhere behind the head.</summary>
    private bool HoldsFrame()
    {
        for (var at = LogFormat.FrameBytes + 1; at <= _rest.Length - LogFormat.FrameBytes; at++)
        {
            if (IsFrame(at, LogFormat.LengthOf(_rest.AsSpan(at))))
            {
                return true;
            }
        }

        return false;
    }

    private bool IsWholeButForItsLength(int length)
    {
        for (var bit = 1; bit > 0; bit <<= 1)
        {
            if (IsFrame(0, length ^ bit))
            {
                return true;
            }
        }

        return IsFrame(0, _rest.Length - LogFormat.FrameBytes);
    }

    private bool IsWholeButForABit(int length)
    {
        if (length > MaxMendedBytes || LogFormat.FrameBytes + length > _room)
        {
            return false;
        }

        // What a wrong bit does to the check depends on nothing but how far it is from the end: that of the payload's bits, followed by those of the check.
        var difference = Difference(0, length);
        var effect = Crc32C.LastBit;
        for (var bit = 0; bit < (length + sizeof(uint)) * 8; bit++)
        {
            if (effect == difference)
            {
                return true;
            }

            effect = Crc32C.AfterZeroBit(effect);
        }

        return false;
    }

    private bool IsFrame(int at, int length) => length > 0 && (long)at + LogFormat.FrameBytes + length <= _room && Difference(at, length) == 0;

    /// <summary>In which bits the check of a frame is not what it should be.</summary>
    private uint Difference(int at, int length)
    {
        var payload = at + LogFormat.FrameBytes;
        var check = BinaryPrimitives.ReadUInt32LittleEndian(_rest.AsSpan(at + sizeof(uint)));
        return check ^ _checksums.Of(payload, (long)payload + length) ^ Crc32C.Of(_position + at, (uint)length);
    }
}
