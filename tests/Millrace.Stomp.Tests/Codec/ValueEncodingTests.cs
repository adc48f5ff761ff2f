using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>1.1, 1.2: Value Encoding, and what 1.0 does instead; line ends by version.</summary>
public sealed class ValueEncodingTests
{
    [Theory]
    [InlineData("1.0", @"a\\b\cd\ne", @"a\\b\cd\ne")]
    [InlineData("1.0", @"\t\", @"\t\")]
    [InlineData("1.1", @"a\\b\cd\ne", "a\\b:d\ne")]
    [InlineData("1.1", @"\\n\\c\\\\", @"\n\c\\")]
    [InlineData("1.2", @"a\\b\cd\ne\rf", "a\\b:d\ne\rf")]
    [InlineData("1.2", @"\\r\\\r", "\\r\\\r")]
    public void Escapes_AreRemovedByVersion(string version, string written, string meant)
    {
        var frame = FrameReader.ReadOne($"SEND\nvalue:{written}\n{written.Replace(":", "", StringComparison.Ordinal)}:name\n\n^@", FrameTests.VersionOf(version));

        Assert.Equal([("value", meant), (meant, "name")], frame.Headers);
    }

    [Theory]
    [InlineData("1.1", @"\r")]
    [InlineData("1.1", @"\t")]
    [InlineData("1.1", @"\N")]
    [InlineData("1.1", @"\")]
    [InlineData("1.1", @"\\\")]
    [InlineData("1.1", "\\\u00e9")]
    [InlineData("1.2", @"\t")]
    [InlineData("1.2", @"\0")]
    [InlineData("1.2", @"\R")]
    [InlineData("1.2", @"\")]
    [InlineData("1.2", "\\ ")]
    public void Escape_ThatTheVersionDoesNotKnow_IsAFault(string version, string escape)
    {
        foreach (var line in new[] { $"name:value{escape}", $"name{escape}:value", $"name:{escape}" })
        {
            using var reader = new FrameReader(FrameTests.VersionOf(version));
            reader.Take(FrameReader.BytesOf($"SEND\ngood:\\\\\n{line}\nreceipt:r\\c1\n\n^@"));

            Assert.Equal(("malformed frame", @"r\c1"), (reader.Reading.Fault, reader.Reading.ReceiptId));
            Assert.Contains($"STOMP {version} has no escape '\\", reader.FaultDetail);
        }
    }

    [Theory]
    [InlineData("CONNECT")]
    [InlineData("CONNECTED")]
    public void Connect_AndConnected_AreNotEscaped(string command)
    {
        var before = command == "CONNECT" ? StompVersion.None : StompVersion.V12;
        var frame = FrameReader.ReadOne($"{command}\naccept-version:1.2\npasscode:a\\n\\t:b\\\n\n^@", before);

        Assert.Equal(@"a\n\t:b\", frame["passcode"]);
    }

    [Fact]
    public void Stomp_WhichIsNotNamedAsAnException_IsEscaped()
    {
        var frame = FrameReader.ReadOne("STOMP\naccept-version:1.1,1.2\npasscode:a\\n\\r\\c:b\\\\\n\n^@", StompVersion.None);

        Assert.Equal("a\n\r::b\\", frame["passcode"]);
        Assert.Equal("malformed frame", FrameReader.Read("STOMP\naccept-version:1.2\npasscode:\\t\n\n^@", StompVersion.None).Fault);
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public void HeaderValue_AfterTheFirstColon_MayHoldMore(string version)
    {
        var frame = FrameReader.ReadOne("SEND\nurl:http://host:80/\n\n^@", FrameTests.VersionOf(version));

        Assert.Equal([("url", "http://host:80/")], frame.Headers);
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public void Headers_AreUtf8(string version)
    {
        var frame = FrameReader.ReadOne("SEND\ngr\u00fc\u00df:\u20ac \U0001F600\n\n^@", FrameTests.VersionOf(version));

        Assert.Equal([("gr\u00fc\u00df", "\u20ac \U0001F600")], frame.Headers);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Headers_ThatAreNotUtf8_AreAFaultWithTheReceipt(bool isName)
    {
        byte[] wrong = isName ? [0xff, (byte)':', (byte)'a'] : [(byte)'a', (byte)':', 0xc3];
        var reading = FrameReader.Read([.. "SEND\nreceipt:r1\n"u8, .. wrong, .. "\n\n\0"u8], StompVersion.V12);

        Assert.Equal(("malformed frame", "r1"), (reading.Fault, reading.ReceiptId));
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public void Blanks_AreNeverTrimmed_From11On(string version)
    {
        var frame = FrameReader.ReadOne("SEND\n name : value \t\nempty:\nblank: \n\n^@", FrameTests.VersionOf(version));

        Assert.Equal([(" name ", " value \t"), ("empty", ""), ("blank", " ")], frame.Headers);
    }

    [Fact]
    public void Blanks_AroundValues_AreTrimmedIn10()
    {
        var frame = FrameReader.ReadOne("SEND\nname: \tva lue \t\nblank: \ncontent-length: 4 \nreceipt: r \n\nbody^@", StompVersion.V10);

        Assert.Equal([("name", "va lue"), ("blank", ""), ("content-length", "4"), ("receipt", "r")], frame.Headers);
    }

    [Theory]
    [InlineData("CONNECT\nlogin: user\npasscode: pass \n\n^@", "user", "pass")]
    [InlineData("CONNECT\naccept-version:1.0\nlogin: user\npasscode: pass \n\n^@", " user", " pass ")]
    [InlineData("CONNECT\nlogin: user\npasscode: pass \naccept-version:1.2\n\n^@", " user", " pass ")]
    public void Blanks_InAConnect_AreTrimmedIfTheClientNamesNoVersion(string text, string login, string passcode)
    {
        var frame = FrameReader.ReadOne(text, StompVersion.None);

        Assert.Equal((login, passcode), (frame["login"], frame["passcode"]));
    }

    [Theory]
    [InlineData("1.0", "value")]
    [InlineData("1.1", "value\r")]
    [InlineData("1.2", "value")]
    public void CrLf_EndsLines_ByVersion(string version, string value)
    {
        var frame = FrameReader.ReadOne("SEND\r\nname:value\r\n\r\nbody^@\r\n", FrameTests.VersionOf(version));

        Assert.Equal([("name", value)], frame.Headers);
        Assert.Equal("body", frame.BodyText);
    }

    [Theory]
    [InlineData("CONNECT", "")]
    [InlineData("STOMP", "")]
    [InlineData("CONNECT", "1.1")]
    public void CrLf_EndsLinesOfAConnect_InEveryVersion(string command, string before)
    {
        var frame = FrameReader.ReadOne($"{command}\r\naccept-version:1.1\r\nhost:h\r\n\r\n^@", FrameTests.VersionOf(before));

        Assert.Equal([("accept-version", "1.1"), ("host", "h")], frame.Headers);
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.2")]
    public void Cr_IsPartOfALineEnd_OnlyBeforeLf(string version)
    {
        var frame = FrameReader.ReadOne("SEND\na\rb:c\rd\r\r\n\r\n\r\nbody\r^@", FrameTests.VersionOf(version));

        Assert.Equal([("a\rb", "c\rd\r")], frame.Headers);
        Assert.Equal("\r\nbody\r", frame.BodyText);
    }
}
