using System.Diagnostics;
using System.Globalization;
using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>
/// Random frames, half of the streams damaged, against a slow reader of the grammar: the same frames, the same fault, no exception, no growth. 500,000 frames; 10 million with
/// MILLRACE_FULL=1. MILLRACE_SEED replays.
/// </summary>
public sealed class HostileFrameTests
{
    private static readonly StompOptions Limits = new() { MaxBodyBytes = 512, MaxHeaderBytes = 1_024, MaxHeaderLineBytes = 256, MaxHeaders = 12 };

    [Fact]
    public void HostileStreams_CutAnywhere_AreReadAsTheGrammarReadsThem()
    {
        var seed = TestScale.Seed();
        var total = TestScale.IsFull ? 10_000_000 : 500_000;
        var began = Stopwatch.GetTimestamp();
        var stream = new HostileStream(new Random(seed));
        var (frames, streams, faults, read, allocated) = (0, 0, 0, 0L, 0L);
        while (frames < total)
        {
            frames += stream.Next();
            streams++;
            var expected = ReferenceParser.Read(stream.Bytes, stream.Version, Limits);
            read += expected.Frames.Count;
            faults += expected.Status == ParseStatus.Fault ? 1 : 0;
            Check(stream, streams, expected);
            allocated += AllocatedBy(stream);
        }

        TestScale.Report(string.Create(CultureInfo.InvariantCulture,
            $"{frames} hostile frames in {streams} streams: {read} frames read, {faults} faults, {allocated / streams} bytes allocated for a stream, {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s"));
        Assert.InRange(faults, streams / 10, streams * 9 / 10);

        // The parser itself with what it keeps of a head, and the text of a fault.
        Assert.True(allocated / streams < 4_096, $"{allocated / streams} bytes allocated for a stream");
    }

    private static void Check(HostileStream stream, int number, Reading expected)
    {
        using var reader = new FrameReader(stream.Version, Limits);
        var at = 0;
        foreach (var cut in stream.Cuts)
        {
            reader.Take(stream.Bytes.AsSpan(at, cut - at));
            at = cut;
        }

        reader.Take(stream.Bytes.AsSpan(at));
        if (!reader.Reading.Equals(expected))
        {
            Assert.Fail($"Stream {number}, {stream.Version}, cut at {string.Join(',', stream.Cuts)}: {reader.Reading}\nexpected: {expected}\nbytes: {Convert.ToHexString(stream.Bytes)}");
        }

        // What was in one piece may be in the window at once, and the pool rounds up.
        Assert.True(reader.LargestWindowBytes <= 4 * Math.Max(stream.Bytes.Length, 16), "The window grew beyond what came.");
        Assert.True(reader.Parser.Buffered > 0 || reader.Parser.WindowBytes == 0, "An empty window was kept.");
    }

    private static long AllocatedBy(HostileStream stream)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var parser = new StompParser(Limits) { Version = stream.Version };
        var frame = new StompFrame();
        parser.Append(stream.Bytes);
        while (parser.TryRead(frame) == ParseStatus.Frame)
        {
            parser.Version = parser.Version == StompVersion.None ? StompVersion.V12 : parser.Version;
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
