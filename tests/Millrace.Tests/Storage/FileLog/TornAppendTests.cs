using System.Buffers.Binary;
using System.Text;
using Millrace.Storage.FileLog;
using Xunit;
using static Millrace.Tests.Storage.FileLog.LogBench;
using Log = Millrace.Storage.FileLog.FileLog;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>What stands at the end of a log: the rest of an append that a crash has cut off, which goes without a word, or damage to what was stored, which is told and put aside.</summary>
public sealed class TornAppendTests : IDisposable
{
    private readonly FlushThreads _threads = new();

    /// <summary>Payloads whose frames are hard to tell from torn ones: that end in zeros, are zeros for a sector or longer, or hold numbers that could be lengths.</summary>
    public static TheoryData<string> Kinds => [.. Payloads.Keys];

    private FileLogOptions Roomy => Small(threads: _threads) with { SegmentBytes = 32 * 1024 };

    private static Dictionary<string, Func<int, byte[]>> Payloads { get; } = new(StringComparer.Ordinal)
    {
        ["text"] = number => Encoding.UTF8.GetBytes(Numbered(number)),
        ["one byte"] = number => [(byte)(number + 1)],
        ["ends in zeros"] = number => [.. Encoding.UTF8.GetBytes(Numbered(number)), .. new byte[1 + (number % 20)]],
        ["zeros for some sectors"] = number => [1, .. new byte[2000], (byte)(number + 65)],
        ["small numbers"] = number => SmallNumbers(number, 300 + (number % 4)),
        ["random"] = number => Random(number, 1500),
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task AFlippedBit_InTheHeadOfAFrame_IsToldAndPutAside(string kind)
    {
        var (path, content) = await WriteAsync(9, Payloads[kind]);
        var frames = LogDamageBits.FramesOf(content);
        Assert.Equal(10, frames.Count);
        foreach (var length in new[] { content.Length, frames[^1] })
        {
            foreach (var (frame, bit) in LogDamageBits.OfHeads(frames))
            {
                var damaged = LogDamageBits.Flipped(content[..length], bit);
                await AssertDamagedAsync(path, damaged, frames, frame, $"bit {bit - (frames[frame] * 8)} of frame {frame}, {length} bytes");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task AFlippedBit_InThePayloadOfTheLastFrame_IsToldAndPutAside(string kind)
    {
        var (path, content) = await WriteAsync(3, Payloads[kind]);
        var frames = LogDamageBits.FramesOf(content);
        for (var bit = (frames[2] + LogFormat.FrameBytes) * 8; bit < frames[3] * 8; bit += kind.Length)
        {
            await AssertDamagedAsync(path, LogDamageBits.Flipped(content, bit), frames, 2, $"bit {bit}");
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task ALengthThatReachesBeyondTheEnd_WhateverItIs_IsToldAndPutAside(string kind)
    {
        var (path, content) = await WriteAsync(9, Payloads[kind]);
        var frames = LogDamageBits.FramesOf(content);
        foreach (var frame in new[] { 0, 4, 7 })
        {
            foreach (var length in new[] { frames[^1] - frames[frame], 30_000, 1 << 20, LogFormat.MaxPayloadBytes })
            {
                var damaged = (byte[])[.. content];
                BinaryPrimitives.WriteInt32LittleEndian(damaged.AsSpan(frames[frame]), length);
                await AssertDamagedAsync(path, damaged, frames, frame, $"length {length} of frame {frame}");
            }
        }
    }

    [Fact]
    public async Task ASectorOfSomethingElse_IsToldAndPutAside()
    {
        var (path, content) = await WriteAsync(60, Payloads["text"]);
        var frames = LogDamageBits.FramesOf(content);
        for (var seed = 0; seed < 200; seed++)
        {
            var damaged = (byte[])[.. content];
            Random(seed, 512).CopyTo(damaged.AsSpan(512));

            // A length that could be.
            var frame = frames.FindIndex(at => at >= 512);
            BinaryPrimitives.WriteInt32LittleEndian(damaged.AsSpan(frames[frame]), 1500 + (seed * 100));
            await AssertDamagedAsync(path, damaged, frames, frames.FindLastIndex(at => at < 512), $"seed {seed}");
            damaged = [.. content[..frames[frame]], .. damaged[frames[frame]..1024], .. content[1024..]];
            await AssertDamagedAsync(path, damaged, frames, frame, $"seed {seed}, from a frame on");
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task AnAppendCutOffAnywhere_GoesWithoutAWord(string kind)
    {
        var (path, content) = await WriteAsync(4, Payloads[kind]);
        var frames = LogDamageBits.FramesOf(content);
        for (var length = frames[3] + 1; length < frames[4]; length += kind.Length)
        {
            await AssertTornAsync(path, content[..length], frames[3], content);
            await AssertTornAsync(path, [.. content[..length], .. new byte[content.Length - length]], frames[3], content);
        }
    }

    [Theory]
    [InlineData("small numbers", 1)]
    [InlineData("small numbers", 8)]
    [InlineData("random", 8)]
    public async Task AnAppendOfWhichSomeSectorsAreMissing_GoesWithoutAWord(string kind, int times)
    {
        // The head is there: what it cannot be told from is damage (docs/formats.md).
        var (path, content) = await WriteAsync(2, number => [.. Enumerable.Range(0, times).SelectMany(i => Payloads[kind](number + i))]);
        var frames = LogDamageBits.FramesOf(content);
        var sectors = Enumerable.Range((frames[1] / 512) + 1, (frames[2] - 1) / 512 - (frames[1] / 512)).ToArray();
        var random = new Random(1);
        for (var i = 0; i < 50; i++)
        {
            var torn = (byte[])[.. content];
            foreach (var sector in sectors.Where(_ => random.Next(2) == 0).Append(sectors[random.Next(sectors.Length)]))
            {
                torn.AsSpan(sector * 512, 512).Clear();
            }

            await AssertTornAsync(path, torn, frames[1], content);
        }
    }

    [Fact]
    public async Task ATornAppend_ThatHoldsFramesOfElsewhere_GoesWithoutAWord()
    {
        var (_, other) = await WriteAsync(20, Payloads["text"]);
        var (path, content) = await WriteAsync(3, number => number < 2 ? [1] : [.. Enumerable.Repeat(other[LogFormat.HeaderBytes..900], 5).SelectMany(bytes => bytes)]);
        var frames = LogDamageBits.FramesOf(content);
        await AssertTornAsync(path, [.. content[..(frames[3] - 700)], .. new byte[4000]], frames[2], content);
    }

    [Fact]
    public async Task ABatch_OfWhichEarlierSectorsAreMissing_AndLaterOnesAreThere_IsToldAndPutAside()
    {
        var (path, content) = await WriteAsync(60, Payloads["text"]);
        var frames = LogDamageBits.FramesOf(content);
        var torn = (byte[])[.. content];
        torn.AsSpan(512, 512).Clear();
        await AssertDamagedAsync(path, torn, frames, frames.FindLastIndex(at => at < 512), "a sector");
    }

    public void Dispose() => _threads.Dispose();

    private async Task AssertDamagedAsync(string path, byte[] damaged, List<int> frames, int frame, string what)
    {
        var files = With(path, damaged);
        await using var log = Open(files, Roomy);
        Assert.True(log.Damage is { IsTorn: false }, $"{what}: {log.Damage}");
        Assert.Equal((Path.GetFileName(path), (long)frames[frame]), (log.Damage.File, log.Damage.Offset));
        Assert.Equal(frame, ReadAll(log).Count);
        var end = damaged.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
        Assert.Equal(damaged[frames[frame]..end], files.Content($"{path}.{frames[frame]}.damaged"));
        await AssertGoesOnAsync(files, log, frame);
    }

    private async Task AssertTornAsync(string path, byte[] torn, int end, byte[] content)
    {
        var what = $"the first difference is at {content.AsSpan().CommonPrefixLength(torn)}, the frame at {end}";
        var files = With(path, torn);
        await using var log = Open(files, Roomy);
        var frames = LogDamageBits.FramesOf(content).FindIndex(at => at == end);
        if (ReadAll(log).Count == frames + 1)
        {
            // What is missing were zeros.
            Assert.Null(log.Damage);
            return;
        }

        Assert.True(log.Damage is null or { IsTorn: true }, $"{what}: {log.Damage}");
        Assert.Equal(frames, ReadAll(log).Count);
        Assert.DoesNotContain(files.ListFiles(Folder), file => file.Name.EndsWith(".damaged", StringComparison.Ordinal));
        await AssertGoesOnAsync(files, log, frames);
    }

    private async Task AssertGoesOnAsync(SimulatedFileSystem files, Log log, int frames)
    {
        Append(log, "more");
        await log.DisposeAsync();
        await using var again = Open(files, Roomy);
        Assert.Null(again.Damage);
        Assert.Equal((frames + 1, "more"), (ReadAll(again).Count, ReadAll(again)[^1]));
    }

    private async Task<(string Path, byte[] Content)> WriteAsync(int count, Func<int, byte[]> payload)
    {
        var files = new SimulatedFileSystem();
        await using (var log = Open(files, Roomy))
        {
            for (var i = 0; i < count; i++)
            {
                Append(log, payload(i));
            }
        }

        var path = Assert.Single(SegmentsOf(files));
        return (path, files.Content(path));
    }

    private static SimulatedFileSystem With(string path, byte[] content)
    {
        var files = new SimulatedFileSystem();
        files.CreateFolder(Folder);
        using var file = files.Create(path, content.Length);
        file.Write(content, 0);
        return files;
    }

    private static byte[] SmallNumbers(int seed, int count)
    {
        var bytes = new byte[count * sizeof(int)];
        var random = new Random(seed);
        for (var i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(i * sizeof(int)), random.Next(1, 200));
        }

        return bytes;
    }

    private static byte[] Random(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
