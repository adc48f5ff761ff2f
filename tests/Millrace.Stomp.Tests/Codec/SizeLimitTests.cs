using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>1.1, 1.2: Size Limits. Each limit at its bound and one beyond, in one piece and byte by byte.</summary>
public sealed class SizeLimitTests
{
    private const string TooLarge = "frame too large";

    private static readonly StompOptions Options = new() { MaxBodyBytes = 1_000, MaxHeaderBytes = 2_048, MaxHeaderLineBytes = 300, MaxHeaders = 10 };

    [Theory]
    [InlineData(1_000, null)]
    [InlineData(1_001, TooLarge)]
    public void Body_WithALength_IsBounded(int length, string? fault)
    {
        var body = new string('x', length);
        CheckAllVersions($"SEND\ncontent-length:{length}\n\n{body}^@", fault);
        CheckAllVersions($"SEND\ncontent-length:{length}\n\n", fault);
    }

    [Theory]
    [InlineData(1_000, null)]
    [InlineData(1_001, TooLarge)]
    public void Body_WithoutALength_IsBounded(int length, string? fault)
    {
        var body = new string('x', length);
        CheckAllVersions($"SEND\n\n{body}^@", fault);
        CheckAllVersions($"SEND\n\n{body}", fault);
    }

    [Fact]
    public void Body_OfAFrameThatHasNone_IsBoundedByTheHeadersIn10()
    {
        var options = Options with { MaxBodyBytes = 1_000_000 };
        Assert.Null(FrameReader.Read($"ACK\n\n{new string('x', 2_048)}^@", StompVersion.V10, options).Fault);
        Assert.Equal(TooLarge, FrameReader.Read($"ACK\n\n{new string('x', 2_049)}", StompVersion.V10, options).Fault);
        Assert.Equal(TooLarge, FrameReader.Read("CONNECT\ncontent-length:2049\n\n", StompVersion.None, options).Fault);
    }

    [Theory]
    [InlineData(300, null)]
    [InlineData(301, TooLarge)]
    public void HeaderLine_IsBounded_WithoutItsLineEnd(int length, string? fault)
    {
        var line = "name:" + new string('x', length - 5);
        CheckAllVersions($"SEND\n{line}\n\n^@", fault);
        CheckAllVersions($"SEND\n{line}", fault);
        CheckAllVersions($"SEND\n{line}^@", fault ?? "malformed frame");
        foreach (var version in new[] { StompVersion.V10, StompVersion.V12 })
        {
            Check($"SEND\r\n{line}\r\n\r\n^@", version, fault);
        }

        // The CR is the value's in 1.1.
        Check($"SEND\n{line[..^1]}\r\n\n^@", StompVersion.V11, fault);
        Check($"SEND\n{line}\r\n\n^@", StompVersion.V11, TooLarge);
    }

    [Theory]
    [InlineData(2_048, null)]
    [InlineData(2_049, TooLarge)]
    public void Headers_AreBoundedTogether_WithCommandAndLineEnds(int length, string? fault)
    {
        var lines = string.Concat(Enumerable.Repeat($"name:{new string('x', 194)}\n", 9));
        var last = "last:" + new string('x', length - "SEND\n".Length - lines.Length - "last:\n".Length);
        CheckAllVersions($"SEND\n{lines}{last}\n\n^@", fault);
        CheckAllVersions($"SEND\n{lines}{last}\n", fault);
    }

    [Theory]
    [InlineData(10, null)]
    [InlineData(11, TooLarge)]
    public void Headers_AreCounted_RepeatedOnesToo(int count, string? fault)
    {
        CheckAllVersions($"SEND\n{string.Concat(Enumerable.Range(0, count).Select(i => $"name{i}:\n"))}\n^@", fault);
        CheckAllVersions($"SEND\n{string.Concat(Enumerable.Repeat("name:\n", count))}\n^@", fault);
    }

    [Fact]
    public void Limits_HoldBeforeAVersionIsAgreedOn()
    {
        Check("CONNECT\nlogin:" + new string('x', 294), StompVersion.None, null);
        Check("CONNECT\nlogin:" + new string('x', 295), StompVersion.None, TooLarge);
        Check($"CONNECT\n{string.Concat(Enumerable.Repeat("login:\n", 11))}", StompVersion.None, TooLarge);
    }

    [Fact]
    public void Defaults_AreWhatTheOptionsSay()
    {
        var options = new StompOptions();
        Assert.Null(FrameReader.Read($"SEND\nname:{new string('x', options.MaxHeaderLineBytes - 5)}\n", StompVersion.V12).Fault);
        Assert.Equal(TooLarge, FrameReader.Read($"SEND\nname:{new string('x', options.MaxHeaderLineBytes - 4)}\n", StompVersion.V12).Fault);
        Assert.Null(FrameReader.Read($"SEND\n{string.Concat(Enumerable.Repeat("a:\n", options.MaxHeaders))}", StompVersion.V12).Fault);
        Assert.Equal(TooLarge, FrameReader.Read($"SEND\n{string.Concat(Enumerable.Repeat("a:\n", options.MaxHeaders + 1))}", StompVersion.V12).Fault);
        Assert.Null(FrameReader.Read($"SEND\ncontent-length:{options.MaxBodyBytes}\n\n", StompVersion.V12).Fault);
        Assert.Equal(TooLarge, FrameReader.Read($"SEND\ncontent-length:{options.MaxBodyBytes + 1}\n\n", StompVersion.V12).Fault);
    }

    private static void CheckAllVersions(string text, string? fault)
    {
        Check(text, StompVersion.V10, fault);
        Check(text, StompVersion.V11, fault);
        Check(text, StompVersion.V12, fault);
    }

    private static void Check(string text, StompVersion version, string? fault)
    {
        var bytes = FrameReader.BytesOf(text);
        var whole = FrameReader.Read(bytes, version, Options);
        Assert.Equal(fault, whole.Fault);
        Assert.Equal(whole, FrameReader.Read(bytes, version, Options, Enumerable.Range(1, bytes.Length - 1).ToArray()));
        Assert.Equal(whole, ReferenceParser.Read(bytes, version, Options));
    }
}
