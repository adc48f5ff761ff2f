using System.Text;
using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>1.1, 1.2: Value Encoding, both ways.</summary>
public sealed class HeaderEscapeTests
{
    private static readonly StompVersion[] Escaping = [StompVersion.V11, StompVersion.V12];

    [Theory]
    [InlineData("1.0", "a:\\\r\n\0b", "a:\\\r  b")]
    [InlineData("1.1", "a:\\\r\n\0b", "a\\c\\\\\r\\n b")]
    [InlineData("1.2", "a:\\\r\n\0b", "a\\c\\\\\\r\\n b")]
    public void Write_EscapesByVersion_AndNeverWritesANul(string version, string text, string written) => Assert.Equal(written, Written(text, FrameTests.VersionOf(version)));

    [Fact]
    public void Plain_IsWhatIsWrittenAsItIs()
    {
        for (var b = 0; b < 256; b++)
        {
            foreach (var version in new[] { StompVersion.V10, StompVersion.V11, StompVersion.V12 })
            {
                byte[] text = [(byte)'a', (byte)b, (byte)'z'];
                var into = new byte[6];
                var length = HeaderEscape.Write(text, version, into);
                Assert.Equal(HeaderEscape.IsPlain(text, version), into.AsSpan(0, length).SequenceEqual(text));
            }
        }
    }

    [Fact]
    public void WrittenText_WithEscapesRemoved_IsTheText()
    {
        var random = new Random(TestScale.Seed());
        const string Letters = "\\\\\\:\n\rncra \u00e9\u20ac";
        for (var i = 0; i < 20_000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => Letters[random.Next(Letters.Length)]));
            foreach (var version in Escaping)
            {
                var written = Encoding.UTF8.GetBytes(Written(text, version));
                Assert.Null(HeaderEscape.FindUnknown(written, version));
                Assert.DoesNotContain((byte)'\n', written);
                Assert.DoesNotContain((byte)':', written);
                Assert.Equal(text, Encoding.UTF8.GetString(HeaderEscape.Remove(written)));
            }
        }
    }

    [Theory]
    [InlineData(@"\t", @"\t")]
    [InlineData(@"\\\", @"\")]
    [InlineData(@"\c\q\w", @"\q")]
    [InlineData("\\\u0007", @"\ followed by byte 7")]
    [InlineData("\\ ", @"\ followed by byte 32")]
    public void Unknown_IsShownAsText(string raw, string shown) => Assert.Equal(shown, HeaderEscape.FindUnknown(Encoding.UTF8.GetBytes(raw), StompVersion.V12));

    [Fact]
    public void CarriageReturn_HasAnEscape_ButIn11()
    {
        Assert.Equal(@"\r", HeaderEscape.FindUnknown(@"\r"u8, StompVersion.V11));
        Assert.Null(HeaderEscape.FindUnknown(@"\r"u8, StompVersion.V12));
        Assert.Null(HeaderEscape.FindUnknown(@"\r"u8, StompVersion.None));
    }

    private static string Written(string text, StompVersion version)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var into = new byte[bytes.Length * 2];
        return Encoding.UTF8.GetString(into, 0, HeaderEscape.Write(bytes, version, into));
    }
}
