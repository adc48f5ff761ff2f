using System.Numerics;
using System.Text;
using Millrace.Storage;
using Millrace.Tests.Hosting;
using Xunit;
using static Millrace.Tests.Storage.FileLog.Simulation.SimulatedFolder;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>Bits that a disk has flipped in the heads of frames at the end of the journal, of a partition and of a checkpoint: told and put aside, unlike the rest of an append that a crash has cut off.</summary>
public sealed class DamagedHeadTests
{
    private const int Count = 7;
    private const int LogDamaged = 1300;
    private const int TornAppendCut = 1301;
    private const int CheckpointUnusable = 1324;

    private readonly SimulatedFolder _folder = new() { Options = "segmentBytes=65536" };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task InTheJournal_WhatIsBefore_IsThere_AndTheRestIsToldAndPutAside()
    {
        var (file, ends) = await FillQueueAsync(killed: true);
        var content = _folder.Disk.Content(file);
        var frames = LogDamageBits.FramesOf(content);
        foreach (var (frame, bit) in LogDamageBits.OfHeads(frames))
        {
            var (folder, log) = With(file, LogDamageBits.Flipped(content, bit));
            await using (var backend = await folder.OpenAsync())
            {
                var kept = ends.Count(end => end <= frame);
                await AssertToldAsync(backend, log, folder, file, content, frames[frame]);
                Assert.Equal(Enumerable.Range(0, kept).Select(Text), await DrainAsync(backend, "q"));
                await SendAsync(backend, "q", "more");
            }

            await using var again = await folder.OpenAsync();
            Assert.Null((await again.Health.ProbeAsync(Cancellation)).Warning);
            Assert.Equal(["more"], await DrainAsync(again, "q"));
        }
    }

    [Fact]
    public async Task InAPartition_WhatIsBefore_IsThere_AndTheRestIsToldAndPutAside()
    {
        var file = await FillStreamAsync();
        var content = _folder.Disk.Content(file);
        var frames = LogDamageBits.FramesOf(content);
        Assert.Equal(Count + 1, frames.Count);
        foreach (var (frame, bit) in LogDamageBits.OfHeads(frames))
        {
            var (folder, log) = With(file, LogDamageBits.Flipped(content, bit));
            await using (var backend = await folder.OpenAsync())
            {
                var partition = await PartitionAsync(backend);
                await AssertToldAsync(backend, log, folder, file, content, frames[frame]);
                Assert.Equal(Enumerable.Range(0, frame).Select(Text), await ReadAsync(partition));
                Assert.Equal(frame, await AppendAsync(partition, "more"));
            }

            await using var again = await folder.OpenAsync();
            Assert.Equal([.. Enumerable.Range(0, frame).Select(Text), "more"], await ReadAsync(await PartitionAsync(again)));
            Assert.Null((await again.Health.ProbeAsync(Cancellation)).Warning);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task InOneOfTwoCheckpoints_NothingIsLost(int which)
    {
        await FillQueueAsync(killed: false);
        await using (var backend = await _folder.OpenAsync())
        {
            await SendAsync(backend, "q", "last");
        }

        var checkpoints = _folder.Files("checkpoints");
        Assert.Equal(2, checkpoints.Count);
        var file = checkpoints[which];
        var content = _folder.Disk.Content(file);
        var frames = LogDamageBits.FramesOf(content);
        foreach (var (frame, bit) in LogDamageBits.OfHeads(frames))
        {
            var (folder, log) = With(file, LogDamageBits.Flipped(content, bit));
            await using var backend = await folder.OpenAsync();
            Assert.Contains(log.Entries, entry => entry.Id == LogDamaged && entry.Text.Contains($"at byte {frames[frame]}:", StringComparison.Ordinal));
            Assert.Contains(log.Entries, entry => entry.Id == CheckpointUnusable);
            Assert.Equal([.. Enumerable.Range(0, Count).Select(Text), "last"], await DrainAsync(backend, "q"));
        }
    }

    [Fact]
    public async Task InAJournalThatACheckpointHas_NothingIsLost()
    {
        var (file, _) = await FillQueueAsync(killed: false);
        var content = _folder.Disk.Content(file);
        foreach (var (_, bit) in LogDamageBits.OfHeads(LogDamageBits.FramesOf(content)))
        {
            var (folder, _) = With(file, LogDamageBits.Flipped(content, bit));
            await using var backend = await folder.OpenAsync();
            Assert.Equal(Enumerable.Range(0, Count).Select(Text), await DrainAsync(backend, "q"));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ATornAppend_GoesWithoutAWord(bool isStream)
    {
        var file = isStream ? await FillStreamAsync() : (await FillQueueAsync(killed: true)).File;
        var content = _folder.Disk.Content(file);
        var frames = LogDamageBits.FramesOf(content);
        for (var at = frames[^2] + 1; at < frames[^1]; at++)
        {
            if (content.AsSpan(at).ToArray().Sum(lost => BitOperations.PopCount(lost)) < 2)
            {
                // Without a single bit it is damage (docs/formats.md).
                break;
            }

            var (folder, log) = With(file, [.. content[..at], .. new byte[content.Length - at]]);
            await using var backend = await folder.OpenAsync();
            var found = isStream ? await ReadAsync(await PartitionAsync(backend)) : await DrainAsync(backend, "q");
            Assert.Equal(Enumerable.Range(0, Count - 1).Select(Text), found);
            Assert.Null((await backend.Health.ProbeAsync(Cancellation)).Warning);
            Assert.DoesNotContain(log.Entries, entry => entry.Id == LogDamaged);
            Assert.Contains(log.Entries, entry => entry.Id == TornAppendCut);
            Assert.DoesNotContain(folder.Files(""), path => path.EndsWith(".damaged", StringComparison.Ordinal));
        }
    }

    private static async Task AssertToldAsync(Backend backend, RecordingLogger log, SimulatedFolder folder, string file, byte[] content, int offset)
    {
        var warning = (await backend.Health.ProbeAsync(Cancellation)).Warning;
        Assert.Contains($"'{Path.GetFileName(file)}' at byte {offset}:", warning, StringComparison.Ordinal);
        Assert.Contains(log.Entries, entry => entry.Id == LogDamaged);
        var aside = folder.Disk.Content($"{file}.{offset}.damaged");
        Assert.Equal(content.AsSpan().LastIndexOfAnyExcept((byte)0) + 1 - offset, aside.Length);
    }

    private (SimulatedFolder Folder, RecordingLogger Log) With(string file, byte[] content)
    {
        var log = new RecordingLogger();
        return (_folder.With(file, content, log), log);
    }

    /// <summary>Sends messages, and ends.</summary>
    /// <param name="killed">Whether the process dies, so that no checkpoint has them.</param>
    /// <returns>The journal, and how many frames it had after each message.</returns>
    private async Task<(string File, List<int> Ends)> FillQueueAsync(bool killed)
    {
        var ends = new List<int>();
        var backend = await _folder.OpenAsync();
        for (var i = 0; i < Count; i++)
        {
            await SendAsync(backend, "q", Text(i));
            ends.Add(LogDamageBits.FramesOf(_folder.Disk.Content(_folder.Segments()[0])).Count - 1);
        }

        await (killed ? backend.AbandonAsync() : backend.DisposeAsync());
        return (Assert.Single(_folder.Segments()), ends);
    }

    private async Task<string> FillStreamAsync()
    {
        await using var backend = await _folder.OpenAsync();
        var partition = await PartitionAsync(backend);
        for (var i = 0; i < Count; i++)
        {
            Assert.Equal(i, await AppendAsync(partition, Text(i)));
        }

        return Assert.Single(_folder.Files("streams"), path => path.EndsWith(".log", StringComparison.Ordinal));
    }

    private static string Text(int i) => $"message {i} {new string('.', i * 37)}";

    private static async Task<IStreamPartition> PartitionAsync(Backend backend) =>
        await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1 }, Cancellation);

    private static async Task<long> AppendAsync(IStreamPartition partition, string text) =>
        (await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = Encoding.UTF8.GetBytes(text) } }), Cancellation)).FirstOffset;

    private static async Task<List<string>> ReadAsync(IStreamPartition partition)
    {
        using var page = await partition.ReadAsync(0, 100, 1 << 20, Cancellation);
        return [.. page.Records.ToArray().Select(record => Encoding.UTF8.GetString(record.Body.Span))];
    }
}
