using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Storage.FileLog.Disk;
using Xunit;
using static Millrace.Tests.Storage.FileLog.LogBench;

namespace Millrace.Tests.Storage.FileLog;

public sealed class FileLogTests
{
    private readonly SimulatedFileSystem _files = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(StoreDurability.Full)]
    [InlineData(StoreDurability.Process)]
    [InlineData(StoreDurability.None)]
    public async Task Frames_OverManySegments_AreReadBackInOrder_BeforeAndAfterReopening(StoreDurability durability)
    {
        var expected = Enumerable.Range(0, 200).Select(Numbered).ToList();
        await using (var log = Open(_files, Small(durability)))
        {
            foreach (var payload in expected)
            {
                await log.FlushAsync(Append(log, payload));
            }

            Assert.Equal(expected, ReadAll(log));
            Assert.True(log.Segments.Count > 5);
            Assert.All(log.Segments.Zip(log.Segments.Skip(1)), pair => Assert.Equal(pair.First.EndPosition, pair.Second.StartPosition));
        }

        await using var again = Open(_files, Small(durability));
        Assert.Null(again.Damage);
        Assert.Equal(expected, ReadAll(again));
        Append(again, "more");
        Assert.Equal([.. expected, "more"], ReadAll(again));
    }

    [Fact]
    public async Task AFrameLargerThanASegment_GetsALargerOne()
    {
        await using var log = Open(_files);
        string[] expected = ["small", new string('x', 5000), "small again", new string('y', 1000), new string('z', 100_000)];
        foreach (var payload in expected)
        {
            Append(log, payload);
        }

        Assert.Equal(expected, ReadAll(log));
    }

    [Fact]
    public async Task Positions_OfAppends_AreWhereScansFindThem_AndScansBeginAtThem()
    {
        await using var log = Open(_files);
        var positions = Enumerable.Range(0, 60).Select(i => Append(log, Numbered(i)) - Numbered(i).Length).ToArray();
        for (var i = 0; i < positions.Length; i++)
        {
            using var scan = log.Scan(positions[i]);
            Assert.True(scan.MoveNext());
            Assert.Equal(positions[i], scan.Position);
        }

        using var end = log.Scan(log.EndPosition);
        Assert.False(end.MoveNext());
        Assert.Null(end.Damage);
    }

    [Fact]
    public async Task Trimming_DeletesWholeSegments_AndKeepsTheLast()
    {
        await using var log = Open(_files);
        for (var i = 0; i < 100; i++)
        {
            Append(log, Numbered(i));
        }

        log.WriteThrough(log.EndPosition);
        var third = log.Segments[2];
        log.TrimBefore(third.StartPosition + 100);
        Assert.Equal(third.StartPosition, log.StartPosition);
        Assert.Equal(log.Segments.Count, SegmentsOf(_files).Length);
        Assert.False(log.TryReadAt(0, new byte[8]));
        Assert.Throws<ArgumentOutOfRangeException>(() => log.ReadAt(0, new byte[8]));

        log.TrimBefore(log.EndPosition);
        Assert.Single(log.Segments);
        var end = log.EndPosition;
        await log.DisposeAsync();
        await using var again = Open(_files);
        Assert.Equal(end, again.EndPosition);
        Append(again, "goes on");
        Assert.Equal("goes on", ReadAll(again)[^1]);
    }

    [Fact]
    public async Task AReservation_IsUsedOnce_AndDisposingItAfterwardsDoesNothing()
    {
        await using var log = Open(_files);
        var reservation = log.Reserve(10, essential: false);
        log.Append(in reservation, "0123456789"u8);
        Assert.Throws<ArgumentException>(() => log.Append(in reservation, "again"u8));
        reservation.Dispose();
        reservation.Dispose();
        var small = log.Reserve(3, essential: false);
        Assert.Throws<ArgumentException>(() => log.Append(in small, "much too long"u8));
        Assert.Throws<ArgumentOutOfRangeException>(() => log.Reserve(0, essential: false));
        await using var other = Open(_files, folder: "/data/other");
        Assert.Throws<ArgumentException>(() => other.Append(log.Reserve(1, essential: false), "x"u8));
        Assert.Equal(["0123456789"], ReadAll(log));
    }

    [Fact]
    public async Task ManyReservations_OfAllSizes_NeverMeetAFullDisk()
    {
        var random = new Random(7);
        for (var round = 0; round < 200; round++)
        {
            var files = new SimulatedFileSystem();
            await using var log = Open(files);
            var held = new List<(LogReservation Reservation, int Bytes)>();
            var expected = 0;
            for (var step = 0; step < 60; step++)
            {
                var bytes = random.Next(5) == 0 ? random.Next(1, 4000) : random.Next(1, 400);
                held.Add((log.Reserve(bytes, essential: false), bytes));
                files.Capacity = random.Next(2) == 0 ? 0 : long.MaxValue;
                while (held.Count > 0 && random.Next(3) > 0)
                {
                    var index = random.Next(held.Count);
                    var (reservation, most) = held[index];
                    held.RemoveAt(index);
                    if (random.Next(5) == 0)
                    {
                        reservation.Dispose();
                    }
                    else
                    {
                        log.Append(in reservation, new byte[random.Next(1, most + 1)]);
                        expected++;
                    }
                }

                files.Capacity = long.MaxValue;
            }

            files.Capacity = 0;
            foreach (var (reservation, most) in held)
            {
                log.Append(in reservation, new byte[most]);
                expected++;
            }

            await log.SyncAsync(log.EndPosition);
            Assert.Equal(expected, ReadAll(log).Count);
        }
    }

    [Fact]
    public async Task Callers_WhoWaitTogether_ShareFlushes()
    {
        await using var log = Open(_files, new FileLogOptions());
        var callers = Enumerable.Range(0, 50).Select(caller => Task.Run(
            async () =>
            {
                for (var i = 0; i < 40; i++)
                {
                    var end = Append(log, $"{caller}.{i}");
                    await log.FlushAsync(end);
                    Assert.True(log.IsDurable(end));
                }
            },
            Cancellation));
        await Task.WhenAll(callers);
        Assert.Equal(2000, ReadAll(log).Count);
        Assert.True(_files.Counts["flush"] < 1500, $"{_files.Counts["flush"]} flushes for 2000 appends.");
    }

    [Fact]
    public async Task Appending_Reading_AndTrimming_GoOnTogether()
    {
        using var folder = new TemporaryFolder();
        await using var log = Open(NativeFileSystem.Instance, new FileLogOptions { SegmentBytes = 16 * 1024 }, folder.Data);
        var (isOver, scans) = (false, 0);

        // Until the log has been read from its start many times, however late the reader's thread comes.
        var appending = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            async () =>
            {
                for (var i = 0; (i < 500 || Volatile.Read(ref scans) < 20) && !Volatile.Read(ref isOver); i++)
                {
                    await log.FlushAsync(Append(log, Numbered(i)));
                }
            },
            Cancellation)));
        var trimming = OnItsOwnThread(() =>
        {
            while (!Volatile.Read(ref isOver))
            {
                log.TrimBefore(log.EndPosition - 25_000);
                Thread.Yield();
            }
        });
        var reading = OnItsOwnThread(() =>
        {
            while (!Volatile.Read(ref isOver))
            {
                var read = 0;
                using var scan = log.Scan(log.StartPosition);
                while (scan.MoveNext())
                {
                    read++;
                }

                // Nothing where all up to the end that it began with has been trimmed meanwhile.
                Assert.Null(scan.Damage);
                scans += read > 0 ? 1 : 0;
            }
        });
        try
        {
            await await Task.WhenAny(appending, trimming, reading);
        }
        finally
        {
            Volatile.Write(ref isOver, true);
        }

        await Task.WhenAll(appending, trimming, reading);
        Assert.Equal(log.Segments.Count, SegmentsOf(NativeFileSystem.Instance, folder.Data).Length);
    }

    [Fact]
    public async Task AScan_ThatTrimmingOvertakes_GoesOnWhereTheLogBegins_AndEndsWithoutDamage()
    {
        await using var log = Open(_files);
        for (var i = 0; i < 200; i++)
        {
            Append(log, Numbered(i));
        }

        using var late = log.Scan(log.StartPosition);
        using var slow = log.Scan(log.StartPosition);
        Assert.True(slow.MoveNext());
        var (first, third) = (log.Segments[0], log.Segments[2]);
        log.TrimBefore(third.StartPosition);

        Assert.True(late.MoveNext());
        Assert.Equal(third.StartPosition, late.Position - LogFormat.FrameBytes - LogFormat.HeaderBytes);
        var positions = new List<long> { slow.Position };
        while (slow.MoveNext())
        {
            positions.Add(slow.Position);
        }

        // What it had open it has read to its end.
        Assert.Null(slow.Damage);
        Assert.DoesNotContain(positions, position => position >= first.EndPosition && position < third.StartPosition);
        Assert.Contains(positions, position => position < first.EndPosition && position > first.EndPosition - 200);
        Assert.Contains(late.Position, positions);

        var end = log.EndPosition;
        using var overtaken = log.Scan(log.StartPosition);
        while (log.StartPosition < end)
        {
            Append(log, "more");
            log.TrimBefore(log.EndPosition);
        }

        Assert.False(overtaken.MoveNext());
        Assert.Null(overtaken.Damage);
    }

    [Fact]
    public async Task WhatIsTrimmed_BeforeItsFlush_NeedsNone()
    {
        // Nobody runs what is handed to the threads: the flush that a new segment asks for is never done.
        using var threads = new FlushThreads(0);
        var log = Open(_files, Small(StoreDurability.Process, threads));
        try
        {
            for (var i = 0; i < 100; i++)
            {
                await log.FlushAsync(Append(log, Numbered(i)));
                log.TrimBefore(log.EndPosition);
            }

            Assert.Single(log.Segments);
            Assert.True(log.StartPosition > 3 * FileLogOptions.MinSegmentBytes, "Several segments were begun and trimmed.");
        }
        finally
        {
            var closing = log.DisposeAsync().AsTask();
            threads.RunQueued();
            await closing;
        }
    }

    [Fact]
    public async Task Interval_WritesAndFlushes_WithoutAnybodyWaiting()
    {
        var clock = new Millrace.Testing.ManualTimeProvider();
        using var threads = new FlushThreads(0);
        var options = Small(StoreDurability.None, threads) with { FlushInterval = TimeSpan.FromMilliseconds(5) };
        await using var log = Millrace.Storage.FileLog.FileLog.Open(_files, Folder, options, clock, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        var end = Append(log, "a");
        Assert.True(log.IsDurable(end));
        await log.FlushAsync(end);
        threads.RunQueued();
        Assert.Equal(0, _files.Counts.GetValueOrDefault("write"));
        clock.Advance(TimeSpan.FromMilliseconds(5));
        threads.RunQueued();
        Assert.Equal(1, _files.Counts["write"]);
        await log.SyncAsync(end);
        var closing = log.DisposeAsync().AsTask();
        threads.RunQueued();
        await closing;
    }

    [Fact]
    public async Task AnIdleLog_HasNoFile_AndTheFirstSegmentIsSmall()
    {
        await using var log = Open(_files, new FileLogOptions { FirstSegmentBytes = 2048 });
        Assert.Empty(_files.ListFiles(Folder));
        Append(log, "a");
        log.WriteThrough(log.EndPosition);
        Assert.Equal(2048, log.Segments[0].Bytes);
        Append(log, new string('b', 2000));
        Assert.Equal(8192, log.Segments[1].Bytes);
    }

    [Fact]
    public async Task AfterDisposal_EveryCallSaysSo()
    {
        var log = Open(_files);
        Append(log, "a");
        await log.DisposeAsync();
        await log.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => log.Reserve(1, essential: false));
        Assert.Throws<ObjectDisposedException>(() => log.TryReadAt(40, new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => log.TrimBefore(0));
    }

    private static Task OnItsOwnThread(Action action) => Task.Factory.StartNew(action, Cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
