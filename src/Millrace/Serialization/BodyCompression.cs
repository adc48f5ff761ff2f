using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace Millrace.Serialization;

/// <summary>How bodies are compressed.</summary>
public enum BodyCodec
{
    /// <summary>Brotli, <c>content-encoding: br</c>: the smaller result.</summary>
    Brotli,

    /// <summary>GZip, <c>content-encoding: gzip</c>: read by everything.</summary>
    GZip,
}

/// <summary>Compresses and decompresses whole bodies. The encoding is named in the header <see cref="EncodingHeader"/>.</summary>
internal static class BodyCompression
{
    /// <summary>The header that names the encoding of a body, with the values of HTTP's header of that name.</summary>
    public const string EncodingHeader = "content-encoding";

    // Level 4 of 11: a third of the time of the default's next step for a few per cent of size. The window of 2^22 bytes is the library's default.
    private const int BrotliQuality = 4;
    private const int BrotliWindow = 22;
    private const int ChunkBytes = 4096;

    public static string NameOf(BodyCodec codec) => codec == BodyCodec.Brotli ? "br" : "gzip";

    /// <summary>Writes the compressed form of <paramref name="range"/> of the buffer to its end.</summary>
    /// <returns>The range of the compressed form; null when it would not be smaller, and the buffer is then as it was.</returns>
    public static Range? Compress(PooledBuffer buffer, Range range, BodyCodec codec)
    {
        var start = buffer.WrittenBytes;
        var (offset, length) = range.GetOffsetAndLength(start);
        if (codec == BodyCodec.Brotli)
        {
            // No more room than the body has: a result that does not fit is not wanted. Reserved first, because reserving moves the body.
            var destination = buffer.GetSpan(length)[..length];
            if (BrotliEncoder.TryCompress(buffer[range].Span, destination, out var written, BrotliQuality, BrotliWindow))
            {
                buffer.Advance(written);
            }
            else
            {
                return null;
            }
        }
        else
        {
            using var compressed = new MemoryStream(length);
            using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
            {
                gzip.Write(buffer[range].Span);
            }

            buffer.Write(compressed.GetBuffer().AsSpan(0, (int)compressed.Length));
        }

        if (buffer.WrittenBytes - start < length)
        {
            return start..buffer.WrittenBytes;
        }

        buffer.Truncate(start);
        return null;
    }

    /// <summary>Unpacks a body.</summary>
    /// <param name="encoding">The value of <see cref="EncodingHeader"/>.</param>
    /// <param name="body">The body.</param>
    /// <param name="maxBytes">The most bytes that it may unpack to. A body of a few kilobytes can claim terabytes, so the bound is checked while unpacking.</param>
    /// <exception cref="MessageSerializationException">The encoding is unknown, the body is damaged, or it unpacks beyond the bound.</exception>
    public static ReadOnlyMemory<byte> Decompress(string encoding, ReadOnlyMemory<byte> body, int maxBytes)
    {
        var name = encoding.Trim();
        if (name.Length == 0 || name.Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            return body;
        }

        return name.ToUpperInvariant() switch
        {
            "BR" => UnpackBrotli(body.Span, maxBytes),
            "GZIP" or "X-GZIP" => UnpackGZip(body, maxBytes),
            _ => throw new MessageSerializationException($"The body has the content encoding '{encoding}'; known are br and gzip."),
        };
    }

    private static byte[] UnpackBrotli(ReadOnlySpan<byte> packed, int maxBytes)
    {
        using var buffer = new PooledBuffer();
        var decoder = new BrotliDecoder();
        try
        {
            while (true)
            {
                var status = decoder.Decompress(packed, buffer.GetSpan(ChunkBytes), out var consumed, out var written);
                packed = packed[consumed..];
                Take(buffer, written, maxBytes);
                switch (status)
                {
                    case OperationStatus.DestinationTooSmall:
                        continue;
                    case OperationStatus.Done when packed.IsEmpty:
                        return buffer[..].ToArray();
                    case OperationStatus.NeedMoreData:
                        throw Damaged("br", "it ends too early");
                    default:
                        throw Damaged("br", "it is damaged");
                }
            }
        }
        finally
        {
            decoder.Dispose();
        }
    }

    private static byte[] UnpackGZip(ReadOnlyMemory<byte> body, int maxBytes)
    {
        // The ten bytes of the header and the eight of the trailer, which is the checksum and the length.
        if (body.Length < 18)
        {
            throw Damaged("gzip", "it ends too early");
        }

        using var buffer = new PooledBuffer();
        try
        {
            using var packed = MemoryMarshal.TryGetArray(body, out var segment)
                ? new MemoryStream(segment.Array!, segment.Offset, segment.Count, writable: false)
                : new MemoryStream(body.ToArray(), writable: false);
            using var unpacking = new GZipStream(packed, CompressionMode.Decompress);
            int read;
            while ((read = unpacking.Read(buffer.GetSpan(ChunkBytes))) > 0)
            {
                Take(buffer, read, maxBytes);
            }
        }
        catch (InvalidDataException exception)
        {
            throw Damaged("gzip", exception.Message, exception);
        }

        // The stream does not notice when its input ends too early. The length in the trailer does, for bodies of one member, which is what everybody sends.
        return BinaryPrimitives.ReadUInt32LittleEndian(body.Span[^4..]) == (uint)buffer.WrittenBytes
            ? buffer[..].ToArray()
            : throw Damaged("gzip", "it does not have the length that it claims");
    }

    private static void Take(PooledBuffer buffer, int count, int maxBytes)
    {
        buffer.Advance(count);
        if (buffer.WrittenBytes > maxBytes)
        {
            throw new MessageSerializationException(
                $"The body unpacks to more than {maxBytes:N0} bytes, the limit of this client. Raise MaxBodyBytes if you trust the sender.");
        }
    }

    private static MessageSerializationException Damaged(string encoding, string problem, Exception? exception = null) =>
        new($"The body is no valid {encoding} data: {problem}.", innerException: exception);
}
