using System.Text;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Xunit;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>
/// A folder of each format that has ever been written must open for ever. The sample of the current one was made by <c>MILLRACE_WRITE_SAMPLE=FOLDER</c>, once, without the files
/// of the lock; a sample that is committed is never changed.
/// </summary>
public sealed class SampleTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static string Sample => Path.Combine(AppContext.BaseDirectory, "Storage", "FileLog", "Samples", "format-1");

    [Fact]
    public async Task TheSampleOfFormat1_Opens()
    {
        if (Environment.GetEnvironmentVariable("MILLRACE_WRITE_SAMPLE") is { } target)
        {
            await WriteAsync(target);
        }

        using var folder = new TemporaryFolder();
        Copy(Sample, folder.Data);
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(folder.Url("segmentBytes=1024"), cancellationToken: Cancellation);
        var partition = await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = "Orders/EU", Partition = 1, PartitionCount = 2 }, Cancellation);
        Assert.Equal(new StreamPartitionStats(31, 60, (await partition.GetStatsAsync(Cancellation)).Bytes), await partition.GetStatsAsync(Cancellation));
        var records = new List<StreamRecord>();
        for (var offset = 31L; offset < 60;)
        {
            var page = await partition.ReadAsync(offset, 100, 1 << 20, Cancellation);
            records.AddRange(page.Records.ToArray());
            offset = page.NextOffset;
        }

        Assert.All(records, record =>
        {
            var expected = Record((int)record.Offset);
            Assert.Equal(expected.Body.ToArray(), record.Body.ToArray());
            Assert.Equal(expected.Key.ToArray(), record.Key.ToArray());
            Assert.Equal(expected.Timestamp, record.Timestamp);
            Assert.Equal((expected.Headers ?? MessageHeaders.Empty).ToArray(), (record.Headers ?? MessageHeaders.Empty).ToArray());
        });
        Assert.Equal(new AppendResult(0, true), await partition.AppendAsync(Request(0, "early", 5), Cancellation));
        Assert.Equal(new AppendResult(58, true), await partition.AppendAsync(Request(58, "late", 0), Cancellation));
        Assert.Equal(60, (await partition.AppendAsync(Request(60, null, 0), Cancellation)).FirstOffset);
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await partition.ReadAsync(30, 1, 1, Cancellation));
    }

    private static async Task WriteAsync(string folder)
    {
        var options = new FileBackendOptions
        {
            Folder = folder,
            Durability = "full",
            Log = new FileLogOptions { SegmentBytes = FileLogOptions.MinSegmentBytes },
        };
        await using var backend = FileBackend.Open(NativeFileSystem.Instance, options, new BackendContext());
        var partition = await backend.Streams.OpenPartitionAsync(new StreamPartitionContext { Stream = "Orders/EU", Partition = 1, PartitionCount = 2 }, Cancellation);
        for (var i = 0; i < 60; i += 2)
        {
            await partition.AppendAsync(Request(i, i == 0 ? "early" : i == 58 ? "late" : null, i == 0 ? 5 : 0), Cancellation);
        }

        await partition.TrimAsync(31, Cancellation);
    }

    private static AppendRequest Request(int offset, string? producer, long sequence) =>
        new(new[] { Record(offset), Record(offset + 1) }) { ProducerId = producer, FirstSequence = sequence };

    private static StreamRecord Record(int offset) => new()
    {
        Body = Encoding.UTF8.GetBytes($"body {offset} {new string('b', offset % 40)}"),
        Key = offset % 3 == 0 ? default : Encoding.UTF8.GetBytes($"key {offset}"),
        Headers = offset % 4 == 0 ? MessageHeaders.Of(("number", $"{offset}"), ("größe", "🙂")) : null,
        Timestamp = Start.AddSeconds(offset % 7 == 0 ? -offset : offset).AddTicks(offset),
    };

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        foreach (var folder in Directory.EnumerateDirectories(from))
        {
            Copy(folder, Path.Combine(to, Path.GetFileName(folder)));
        }
    }
}
