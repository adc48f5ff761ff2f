using Millrace.Storage;
using Millrace.Storage.FileLog;
using Xunit;
using static Millrace.Tests.Storage.FileLog.LogBench;

namespace Millrace.Tests.Storage.FileLog;

public sealed class FileLogRecoveryTests
{
    private readonly SimulatedFileSystem _files = new();

    [Fact]
    public async Task ALogCutOffAtAnyLength_KeepsTheWholeFrames_AndGoesOn()
    {
        var ends = await WriteAsync(12);
        var path = Assert.Single(SegmentsOf(_files));
        var content = _files.Content(path);
        for (var length = 0; length <= ends[^1]; length++)
        {
            foreach (var isZeroed in new[] { false, true })
            {
                var files = With(path, content[..length], isZeroed ? content.Length : length);
                await using var log = Open(files);
                var kept = ends.Count(end => end <= length);
                Assert.Equal(Enumerable.Range(0, kept).Select(Numbered), ReadAll(log));
                Assert.True(log.Damage is null or { IsTorn: true } || length < LogFormat.HeaderBytes, $"{length}: {log.Damage}");
                if (isZeroed && ends.Contains(length))
                {
                    Assert.Null(log.Damage);
                }

                Append(log, "more");
                Assert.Equal("more", ReadAll(log)[^1]);
                await log.DisposeAsync();
                await using var again = Open(files);
                Assert.Null(again.Damage);
                Assert.Equal([.. Enumerable.Range(0, kept).Select(Numbered), "more"], ReadAll(again));
            }
        }
    }

    [Fact]
    public async Task AFlippedBit_Anywhere_EndsTheLogBeforeItsFrame_AndIsReported_AndWhatFollowsIsPutAside()
    {
        var ends = await WriteAsync(6);
        var path = Assert.Single(SegmentsOf(_files));
        var content = _files.Content(path);
        for (var at = 0; at < ends[^1]; at++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var damaged = (byte[])[.. content];
                damaged[at] ^= (byte)(1 << bit);
                if (at is 6 or 7)
                {
                    // The version, which the check of the header covers too.
                    Assert.Equal(0, (int)LogFormat.Version >> 8);
                }

                var files = With(path, damaged, damaged.Length);
                await using var log = Open(files);
                var kept = at < LogFormat.HeaderBytes ? 0 : ends.Count(end => end <= at);
                Assert.Equal(Enumerable.Range(0, kept).Select(Numbered), ReadAll(log));
                Assert.NotNull(log.Damage);
                Assert.Equal(Path.GetFileName(path), log.Damage.File);
                Assert.Equal(at < LogFormat.HeaderBytes ? 0 : kept == 0 ? LogFormat.HeaderBytes : ends[kept - 1], log.Damage.Offset);
                Assert.False(log.Damage.IsTorn, $"Bit {bit} of byte {at}.");
                Assert.Contains(files.ListFiles(Folder), file => file.Name.EndsWith(".damaged", StringComparison.Ordinal));
            }
        }
    }

    [Fact]
    public async Task ADamagedSegmentBeforeTheLast_EndsTheLogThere_AndTheLastIsPutAside()
    {
        await WriteAsync(40);
        var paths = SegmentsOf(_files);
        var content = (byte[])[.. _files.Content(paths[^2])];
        content[100] ^= 1;
        Put(_files, paths[^2], content);
        await using var log = Open(_files);
        Assert.Equal(Path.GetFileName(paths[^2]), log.Damage!.File);
        Assert.False(log.Damage.IsTorn);
        Assert.Contains(_files.ListFiles(Folder), file => file.Name == Path.GetFileName(paths[^1]) + ".damaged");
        var kept = ReadAll(log);
        Assert.Equal(Enumerable.Range(0, kept.Count).Select(Numbered), kept);
        Append(log, "more");
        Assert.Equal([.. kept, "more"], ReadAll(log));
    }

    [Fact]
    public async Task OnAFullDisk_WhatCannotBePutAside_StaysBehindTheEnd_AndIsPutAsideWhenThereIsRoom()
    {
        var (path, content) = await DamageOnAFullDiskAsync();
        await using (var log = Open(_files))
        {
            Assert.Empty(ReadAll(log));
            Assert.False(log.Damage!.IsTorn);
        }

        Assert.DoesNotContain(_files.ListFiles(Folder), file => file.Name.EndsWith(".damaged", StringComparison.Ordinal));
        Assert.Equal(content, _files.Content(path).ToArray());
        _files.Capacity = long.MaxValue;
        await using (var log = Open(_files))
        {
            Assert.NotNull(log.Damage);
            Append(log, "more");
            Assert.Equal(["more"], ReadAll(log));
        }

        Assert.Contains(_files.ListFiles(Folder), file => file.Name.EndsWith(".damaged", StringComparison.Ordinal));
        await using var again = Open(_files);
        Assert.Equal(["more"], ReadAll(again));
    }

    [Fact]
    public async Task OnAFullDisk_WhatStaysBehindTheEnd_IsPassedOver_OnceANewSegmentFollows()
    {
        await DamageOnAFullDiskAsync();
        await using (var log = Open(_files))
        {
            _files.Capacity = long.MaxValue;
            Append(log, "more");
            Assert.Equal(["more"], ReadAll(log));
        }

        await using var again = Open(_files);
        Assert.Null(again.Damage);
        Assert.Equal(["more"], ReadAll(again));
    }

    [Fact]
    public async Task DamageInAnOlderSegment_IsFoundWhenItIsRead_AndTheOthersStay()
    {
        await WriteAsync(60);
        var paths = SegmentsOf(_files);
        Assert.True(paths.Length > 3);
        var content = (byte[])[.. _files.Content(paths[1])];
        content[100] ^= 1;
        Put(_files, paths[1], content);
        await using var log = Open(_files);
        Assert.Null(log.Damage);
        using var scan = log.Scan(log.StartPosition);
        while (scan.MoveNext())
        {
        }

        Assert.Equal(Path.GetFileName(paths[1]), scan.Damage!.File);
        Assert.InRange(scan.Damage.Offset, LogFormat.HeaderBytes, 100);
        using var rest = log.Scan(log.Segments[2].StartPosition);
        Assert.True(rest.MoveNext());
    }

    [Fact]
    public async Task AFrameThatStandsWhereItWasNotWritten_IsNone()
    {
        var ends = await WriteAsync(8);
        var path = Assert.Single(SegmentsOf(_files));
        var content = (byte[])[.. _files.Content(path)];

        // A write that went astray: the third frame stands, whole, behind the last.
        content.AsSpan((int)ends[1], (int)(ends[2] - ends[1])).CopyTo(content.AsSpan((int)ends[^1]));
        Put(_files, path, content);
        await using var log = Open(_files);
        Assert.Equal(Enumerable.Range(0, 8).Select(Numbered), ReadAll(log));
        Assert.NotNull(log.Damage);
    }

    [Fact]
    public async Task AMissingSegment_IsAnError_AndNothingIsChanged()
    {
        await WriteAsync(80);
        var paths = SegmentsOf(_files);
        _files.Delete(paths[1]);
        var before = _files.ListFiles(Folder).OrderBy(file => file.Name).ToArray();
        var error = Assert.Throws<StorageCorruptException>(() => Open(_files));
        Assert.Contains(Path.GetFileName(paths[0]), error.Message, StringComparison.Ordinal);
        Assert.Contains(Path.GetFileName(paths[2]), error.Message, StringComparison.Ordinal);
        Assert.Equal(before, _files.ListFiles(Folder).OrderBy(file => file.Name));
    }

    [Fact]
    public async Task ANewerFormat_IsRefused_AndNothingIsChanged()
    {
        await WriteAsync(3);
        var path = Assert.Single(SegmentsOf(_files));
        var content = (byte[])[.. _files.Content(path)];
        content[6] = 2;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(28), Crc32C.Of(content.AsSpan(0, 28)));
        Put(_files, path, content);
        var error = Assert.Throws<StorageCorruptException>(() => Open(_files));
        Assert.Contains("format 2", error.Message, StringComparison.Ordinal);
        Assert.Equal(content, _files.Content(path));
    }

    [Fact]
    public void TheChecksum_IsCrc32C()
    {
        Assert.Equal(0xE3069283, Crc32C.Of("123456789"u8));
        Assert.Equal(0x8A9136AA, Crc32C.Of(new byte[32]));
        Assert.Equal(Crc32C.Of([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), Crc32C.Of(0x0807060504030201, 0x0C0B0A09));
    }

    [Fact]
    public void TheChecksum_OfAnyLength_IsThatOfItsDefinition_AloneAndWithOthers()
    {
        var bytes = new byte[64];
        new Random(7).NextBytes(bytes);
        for (var length = 0; length <= bytes.Length; length++)
        {
            var first = bytes.AsSpan(0, length);
            var second = bytes.AsSpan(length / 2);
            var third = bytes.AsSpan(0, 40);
            Assert.Equal(ChecksumByDefinition(first), Crc32C.Of(first));
            Assert.Equal((ChecksumByDefinition(first), ChecksumByDefinition(second), ChecksumByDefinition(third)), Crc32C.Of(first, second, third));
        }
    }

    [Fact]
    public void TheChecksum_OfAStretch_IsThatOfItsBytes_AndOfTheZerosThatFollow()
    {
        var bytes = new byte[1500];
        new Random(8).NextBytes(bytes.AsSpan(0, 1000));
        var stretches = new StretchChecksums(bytes[..1000]);
        for (var from = 0; from <= 1000; from += 37)
        {
            for (var end = from; end <= bytes.Length; end++)
            {
                Assert.Equal(Crc32C.Of(bytes.AsSpan(from, end - from)), stretches.Of(from, end));
            }
        }

        const int Many = (3 << 24) + (2 << 16) + (1 << 8) + 7;
        Assert.Equal(Crc32C.Of([.. bytes[..1000], .. new byte[Many]]), stretches.Of(0, 1000 + Many));
    }

    /// <summary>Writes some records, flips a bit of the first, and leaves the disk no room.</summary>
    private async Task<(string Path, byte[] Content)> DamageOnAFullDiskAsync()
    {
        await WriteAsync(6);
        var path = Assert.Single(SegmentsOf(_files));
        var content = (byte[])[.. _files.Content(path)];
        content[LogFormat.HeaderBytes + LogFormat.FrameBytes] ^= 1;
        Put(_files, path, content);
        _files.Capacity = _files.Used;
        return (path, content);
    }

    private static uint ChecksumByDefinition(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F63B78;
            }
        }

        return ~crc;
    }

    private async Task<long[]> WriteAsync(int count)
    {
        await using var log = Open(_files);
        return Enumerable.Range(0, count).Select(i => Append(log, Numbered(i))).ToArray();
    }

    private static SimulatedFileSystem With(string path, byte[] content, int length)
    {
        var files = new SimulatedFileSystem();
        files.CreateFolder(Folder);
        Array.Resize(ref content, length);
        Put(files, path, content);
        return files;
    }

    private static void Put(SimulatedFileSystem files, string path, byte[] content)
    {
        files.Delete(path);
        using var file = files.Create(path, content.Length);
        file.Write(content, 0);
    }
}
