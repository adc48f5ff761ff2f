using System.Buffers;
using System.IO.Compression;
using System.Text;
using Millrace.Serialization;
using Xunit;

namespace Millrace.Tests.Serialization;

public sealed class BodyCompressionTests
{
    [Theory]
    [InlineData(BodyCodec.Brotli)]
    [InlineData(BodyCodec.GZip)]
    public void ACompressedBody_UnpacksToTheSameBytes(BodyCodec codec)
    {
        using var buffer = new PooledBuffer();
        var body = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("the same words again and again. ", 300)));
        buffer.Write("before"u8);
        var start = buffer.WrittenBytes;
        buffer.Write(body);

        var compressed = BodyCompression.Compress(buffer, start..buffer.WrittenBytes, codec);

        Assert.NotNull(compressed);
        var packed = buffer[compressed.Value];
        Assert.InRange(packed.Length, 1, body.Length / 4);
        Assert.Equal(body, BodyCompression.Decompress(BodyCompression.NameOf(codec), packed, body.Length).ToArray());
    }

    [Theory]
    [InlineData(BodyCodec.Brotli, 0)]
    [InlineData(BodyCodec.GZip, 0)]
    [InlineData(BodyCodec.Brotli, 500)]
    [InlineData(BodyCodec.GZip, 500)]
    public void ABodyThatDoesNotShrink_StaysAsItIs(BodyCodec codec, int length)
    {
        using var buffer = new PooledBuffer();
        var random = new byte[length];
        new Random(7).NextBytes(random);
        buffer.Write(random);

        Assert.Null(BodyCompression.Compress(buffer, 0..length, codec));
        Assert.Equal(length, buffer.WrittenBytes);
        Assert.Equal(random, buffer[..].ToArray());
    }

    [Theory]
    [InlineData("br")]
    [InlineData("gzip")]
    public void ABodyThatUnpacksBeyondTheBound_IsRefused_BeforeItFillsTheMemory(string encoding)
    {
        var bomb = Pack(encoding, new byte[50_000_000]);
        Assert.InRange(bomb.Length, 1, 1_000_000);

        var before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Assert.Throws<MessageSerializationException>(() => BodyCompression.Decompress(encoding, bomb, 100_000));
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Contains("unpacks to more than 100,000 bytes", refusal.Message, StringComparison.Ordinal);
        Assert.InRange(allocated, 0, 5_000_000);
    }

    [Theory]
    [InlineData("br")]
    [InlineData("gzip")]
    public void ABodyOfExactlyTheBound_Unpacks(string encoding) =>
        Assert.Equal(100_000, BodyCompression.Decompress(encoding, Pack(encoding, new byte[100_000]), 100_000).Length);

    [Theory]
    [InlineData("br")]
    [InlineData("gzip")]
    public void ADamagedOrCutBody_IsUnreadable(string encoding)
    {
        var random = new byte[20_000];
        new Random(11).NextBytes(random);
        var packed = Pack(encoding, random);

        foreach (var length in new[] { 0, 1, 17, 18, packed.Length / 2, packed.Length - 1 })
        {
            Assert.Throws<MessageSerializationException>(() => BodyCompression.Decompress(encoding, packed.AsMemory(0, length), 1_000_000));
        }

        Assert.Throws<MessageSerializationException>(() => BodyCompression.Decompress(encoding, (byte[])[.. packed, 0], 1_000_000));
        Assert.Throws<MessageSerializationException>(() => BodyCompression.Decompress(encoding, "this was never compressed"u8.ToArray(), 1_000_000));
    }

    [Fact]
    public void AnUnknownEncoding_IsNamed()
    {
        var refusal = Assert.Throws<MessageSerializationException>(() => BodyCompression.Decompress("lzma", new byte[1], 10));

        Assert.Equal("The body has the content encoding 'lzma'; known are br and gzip.", refusal.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("identity")]
    public void NoEncoding_LeavesTheBody(string encoding)
    {
        ReadOnlyMemory<byte> body = new byte[] { 1, 2, 3 };

        Assert.Equal(body, BodyCompression.Decompress(encoding, body, 1));
    }

    private static byte[] Pack(string encoding, byte[] body)
    {
        using var packed = new MemoryStream();
        using (Stream packing = encoding == "br" ? new BrotliStream(packed, CompressionLevel.Fastest) : new GZipStream(packed, CompressionLevel.Fastest))
        {
            packing.Write(body);
        }

        return packed.ToArray();
    }
}
