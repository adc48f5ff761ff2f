using System.Buffers.Binary;
using Millrace.Storage.Engine;
using Xunit;

namespace Millrace.Tests.Storage.Engine;

public sealed class IdHashTests
{
    /// <summary>The first vectors that the authors of SipHash publish for its 128-bit form: key 00…0f, input 00, 01, 02, …</summary>
    [Theory]
    [InlineData(0, "a3817f04ba25a8e66df67214c7550293")]
    [InlineData(1, "da87c1d86b99af44347659119b22fc45")]
    [InlineData(2, "8177228da4a45dc7fca38bdef60affe4")]
    public void Hashes_AreThoseOfSipHash(int length, string expected)
    {
        var key = Enumerable.Range(0, 16).Select(i => (byte)i).ToArray();
        var input = Enumerable.Range(0, length).Select(i => (byte)i).ToArray();
        var published = new byte[16];

        BinaryPrimitives.WriteUInt128LittleEndian(published, new IdHash(key).Of(input));

        Assert.Equal(expected, Convert.ToHexStringLower(published));
    }

    [Fact]
    public void AUuid_AndItsText_HaveOneHash()
    {
        var hash = new IdHash();
        var uuid = Guid.NewGuid();

        Assert.Equal(hash.Of(new MessageId(uuid)), hash.Of(new MessageId(uuid.ToString())));
        Assert.NotEqual(hash.Of(new MessageId(uuid)), hash.Of(new MessageId(uuid.ToString().ToUpperInvariant() + "x")));
    }

    [Fact]
    public void Stores_HashUnderTheirOwnKeys() =>
        Assert.NotEqual(new IdHash().Of("order-1"), new IdHash().Of("order-1"));
}
