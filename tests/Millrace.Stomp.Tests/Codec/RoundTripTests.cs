using FsCheck;
using FsCheck.Fluent;
using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>What is written by the rules comes back as it was.</summary>
public sealed class RoundTripTests
{
    [Fact]
    public void WrittenFrames_ReadInPiecesOfAnySize_ComeBackEqual()
    {
        var seed = TestScale.Seed();
        Check(seed, Prop.ForAll(FrameGenerators.Streams, ArbMap.Default.ArbFor<int>(), (frames, cutSeed) =>
        {
            var bytes = frames.SelectMany(frame => frame.ToBytes()).ToArray();
            var version = frames.Length == 0 ? StompVersion.V12 : frames[0].Version;
            var expected = new Reading(frames.Select(Meaning).ToList(), ParseStatus.Incomplete);
            Assert.Equal(expected, FrameReader.Read(bytes, version));
            Assert.Equal(expected, FrameReader.Read(bytes, version, null, CutsOf(bytes.Length, cutSeed)));
            Assert.Equal(expected, ReferenceParser.Read(bytes, version, new StompOptions()));
        }));
    }

    [Fact]
    public void RepeatedHeads_AmongOtherFrames_GiveWhatAReaderWithoutTheShortcutGives()
    {
        var seed = TestScale.Seed();
        var choices = Gen.Choose(0, SendHeads.All.Length).ArrayOf().ToArbitrary();
        var repeated = 0;
        Check(seed, Prop.ForAll(choices, ArbMap.Default.ArbFor<int>(), (heads, cutSeed) =>
        {
            var random = new Random(cutSeed);
            var bytes = heads.SelectMany(head => SendHeads.FrameOf(head, random)).ToArray();
            var expected = ReferenceParser.Read(bytes, StompVersion.V12, new StompOptions());
            using var whole = new FrameReader(StompVersion.V12);
            whole.Take(bytes);
            Assert.Equal(expected, whole.Reading);
            Assert.Equal(SendHeads.CountRepeated(heads), whole.RepeatedHeads);
            Assert.Equal(expected, FrameReader.Read(bytes, StompVersion.V12, null, CutsOf(bytes.Length, cutSeed)));
            repeated += whole.RepeatedHeads;
        }));
        Assert.True(repeated > 1_000, $"Only {repeated} heads were repeated.");
    }

    private static void Check(int seed, Property property) =>
        property.Check(Config.QuickThrowOnFailure.WithMaxTest(TestScale.IsFull ? 20_000 : 1_000).WithReplay((ulong)(uint)seed, 1));

    private static int[] CutsOf(int length, int seed)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, random.Next(1, 8)).Select(_ => random.Next(length + 1)).Order().ToArray();
    }

    private static ReadFrame Meaning(WrittenFrame frame) => new(Enum.Parse<StompCommand>(frame.Command, ignoreCase: true), frame.Headers, frame.Body);
}
