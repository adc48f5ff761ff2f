using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>A stream is read alike, however it is cut.</summary>
public sealed class SplitTests
{
    // Streams that end in a fault, each at another place of the grammar.
    private static readonly (StompVersion Version, string Text)[] Faults =
    [
        (StompVersion.V12, "SEND\n\na^@NONSENSE\n\n^@"),
        (StompVersion.V12, "SEND\n\na^@A LINE THAT IS NO COMMAND AT ALL\n"),
        (StompVersion.V12, "ACK\nreceipt:r\nno colon\n\n^@"),
        (StompVersion.V11, "SEND\nreceipt:r\nname:\\r\n\n^@"),
        (StompVersion.V12, "SEND\nreceipt:r\ncontent-length:many\n\nbody^@"),
        (StompVersion.V12, "SEND\nreceipt:r\ncontent-length:3\n\nbody^@"),
        (StompVersion.V12, "ACK\nreceipt:r\n\nbody^@"),
        (StompVersion.V12, "SEND\nreceipt:r\nname^@:value\n\nbody^@"),
        (StompVersion.V12, $"SEND\nreceipt:r\nname:{new string('x', 300)}^@\n\nbody^@"),
        (StompVersion.V12, $"SEND\nreceipt:r\nname:{new string('x', 300)}\\t\n\nbody^@"),
        (StompVersion.V12, $"SEND\nreceipt:r\n\n{new string('x', 101)}^@"),
        (StompVersion.None, "CONNECT\naccept-version:1.2\n\n^@\n\n\rSEND\n\n^@"),
        (StompVersion.None, "SEND\nreceipt:r\n\n^@"),
    ];

    private static readonly StompOptions SmallOptions = new() { MaxBodyBytes = 100, MaxHeaderBytes = 1_024, MaxHeaderLineBytes = 256 };

    [Fact]
    public void EveryExample_InOnePiece_MeansWhatItSays()
    {
        foreach (var (version, text, meaning) in ExampleFrames.All)
        {
            Assert.Equal(new Reading([meaning], ParseStatus.Incomplete), FrameReader.Read(text, version));
            Assert.Equal(new Reading([meaning], ParseStatus.Incomplete), ReferenceParser.Read(FrameReader.BytesOf(text), version, new StompOptions()));
        }
    }

    [Fact]
    public void EveryExample_CutAtEveryPlaceInTwoAndInThree_IsReadAlike()
    {
        foreach (var (version, text, meaning) in ExampleFrames.All)
        {
            CutEverywhere(FrameReader.BytesOf(text), version, null, new Reading([meaning], ParseStatus.Incomplete));
        }
    }

    [Fact]
    public void EveryExample_ByteByByte_IsReadAlike()
    {
        foreach (var (version, text, meaning) in ExampleFrames.All)
        {
            var bytes = FrameReader.BytesOf(text);
            Assert.Equal(new Reading([meaning], ParseStatus.Incomplete), FrameReader.Read(bytes, version, null, Enumerable.Range(1, bytes.Length - 1).ToArray()));
        }
    }

    [Fact]
    public void EveryFault_HoweverItsStreamIsCut_IsTheSame()
    {
        foreach (var (version, text) in Faults)
        {
            var bytes = FrameReader.BytesOf(text);
            var whole = FrameReader.Read(bytes, version, SmallOptions);
            Assert.Equal(ParseStatus.Fault, whole.Status);
            Assert.Equal(whole, ReferenceParser.Read(bytes, version, SmallOptions));
            Assert.Equal(whole, FrameReader.Read(bytes, version, SmallOptions, Enumerable.Range(1, bytes.Length - 1).ToArray()));
            CutEverywhere(bytes, version, SmallOptions, whole);
        }
    }

    [Fact]
    public void EveryPrefix_IsReadAsTheReferenceReadsIt()
    {
        foreach (var (version, text) in Faults.Concat(ExampleFrames.All.Select(example => (example.Version, example.Text))))
        {
            var bytes = FrameReader.BytesOf(text);
            using var reader = new FrameReader(version, SmallOptions);
            for (var i = 0; i < bytes.Length; i++)
            {
                reader.Take(bytes.AsSpan(i, 1));
                Assert.Equal(ReferenceParser.Read(bytes[..(i + 1)], version, SmallOptions), reader.Reading);
            }
        }
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public void ManyFrames_CutAnywhere_CompactedAtAnyMoment_AreReadAlike(string versionText)
    {
        var version = FrameTests.VersionOf(versionText);
        var random = new Random(TestScale.Seed());
        for (var round = 0; round < 300; round++)
        {
            var examples = Enumerable.Range(0, 30)
                .Select(_ => ExampleFrames.All[random.Next(ExampleFrames.All.Length)])
                .Where(example => example.Version == version)
                .ToList();
            var bytes = FrameReader.BytesOf(string.Concat(examples.Select(example => example.Text)));
            using var reader = new FrameReader(version);
            var longest = random.Next(2) == 0 ? 12 : 400;
            for (var at = 0; at < bytes.Length;)
            {
                var length = Math.Min(random.Next(longest), bytes.Length - at);
                reader.Take(bytes.AsSpan(at, length), compacts: random.Next(3) == 0);
                at += length;
            }

            reader.Compact();
            Assert.Equal(new Reading(examples.Select(example => example.Meaning).ToList(), ParseStatus.Incomplete), reader.Reading);
            Assert.Equal(0, reader.Parser.WindowBytes);
        }
    }

    private static void CutEverywhere(byte[] bytes, StompVersion version, StompOptions? options, Reading expected)
    {
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                var reading = FrameReader.Read(bytes, version, options, first, second);
                if (!reading.Equals(expected))
                {
                    Assert.Fail($"Cut at {first} and {second}: {reading}\nexpected: {expected}");
                }
            }
        }
    }
}
