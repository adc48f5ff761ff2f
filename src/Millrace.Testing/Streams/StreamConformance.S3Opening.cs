using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    [Theory]
    [InlineData(0)]
    [InlineData(Partitions - 1)]
    public async Task S3_AnotherPartitionCount_IsAMismatch_WhicheverPartitionIsOpened(int partition)
    {
        await AppendAsync(await OpenAsync(At(0)), "a");
        foreach (var count in new[] { Partitions + 1, partition + 1, StreamPartitionContext.MaxPartitions }.Where(count => count != Partitions))
        {
            var error = await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At(partition, count)));
            Assert.Contains(Stream, error.Message, StringComparison.Ordinal);
        }

        Assert.Equal(["a"], await TextsAsync(await OpenAsync(At(0))));
    }

    [Fact]
    public async Task S3_AnotherPartitionCount_IsAMismatch_AfterReopening()
    {
        RequireReopening();
        await AppendAsync(await OpenAsync(At(0)), "a");
        await ReopenAsync();
        await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At(0, Partitions + 1)));
        await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At(1, Partitions + 1)));
        await CrashAsync();
        await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At(0, Partitions + 1)));
        Assert.Equal(["a"], await TextsAsync(await OpenAsync(At(0))));
    }

    [Fact]
    public async Task S3_AnotherPartitionCount_IsAMismatch_InAnotherProcess()
    {
        await OpenAsync(At(0));
        var other = await ShareAsync();
        await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At(0, Partitions + 1), other));
        await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At(1, Partitions + 1), other));
    }

    [Fact]
    public async Task S3_APath_IsUsedByStoresWithFiles_AndRefusedByOthers()
    {
        var path = Fixture.StreamPath;
        if (path is null)
        {
            var error = await Assert.ThrowsAnyAsync<MillraceConfigurationException>(() => OpenAsync(At(path: "elsewhere")));
            Assert.Contains("path", error.Message, StringComparison.Ordinal);
            Assert.Equal(0, await AppendAsync(await OpenAsync(At()), "a"));
            return;
        }

        await AppendAsync(await OpenAsync(At(path: path)), "a");
        await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At()));
        await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At(path: path + "-2")));
        Assert.Equal(["a"], await TextsAsync(await OpenAsync(At(path: path))));
    }

    [Fact]
    public async Task S3_OpeningMany_AtOnce_MakesOnePartition()
    {
        var openings = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Store.OpenPartitionAsync(At(), Cancellation).AsTask(), Cancellation)));
        var offsets = await Task.WhenAll(openings.Select(opening => AppendAsync(opening, "x")));
        Assert.Equal(Enumerable.Range(0, 8).Select(i => (long)i), offsets.Order());
        foreach (var opening in openings)
        {
            Assert.Equal(8, (await StatsAsync(opening)).EndOffset);
            await Soon(opening.DisposeAsync());
        }
    }

    [Fact]
    public async Task S3_Deleting_RemovesARecordsPartition_AndItBeginsAnew()
    {
        var partition = await OpenAsync(At(1));
        await ProduceAsync(partition, "p", 0, "a", "b");
        await AppendAsync(await OpenAsync(At(0)), "kept");
        Assert.True(await Soon(Store.DeletePartitionAsync(At(1), Cancellation)));
        await Assert.ThrowsAnyAsync<Exception>(() => AppendAsync(partition, "c"));
        await Assert.ThrowsAnyAsync<Exception>(() => ReadAsync(partition, 0));
        Assert.False(await Soon(Store.DeletePartitionAsync(At(1), Cancellation)));

        partition = await OpenAsync(At(1));
        Assert.Equal((0, 0), await StatsAsync(partition) is var stats ? (stats.EarliestOffset, stats.EndOffset) : default);
        Assert.Equal(new AppendResult(0, false), await ProduceAsync(partition, "p", 0, "new"));
        Assert.Equal(["new"], await TextsAsync(partition));
        Assert.Equal(["kept"], await TextsAsync(await OpenAsync(At(0))));
    }

    [Fact]
    public async Task S3_ADeletedPartition_StaysDeletedAfterReopening()
    {
        RequireReopening();
        await AppendAsync(await OpenAsync(), "a");
        Assert.True(await Soon(Store.DeletePartitionAsync(At(), Cancellation)));
        var partition = await RestartAsync(crash: true);
        Assert.Equal(0, (await StatsAsync(partition)).EndOffset);
    }

    [Fact]
    public async Task S3_AStreamWithoutPartitions_MayBeMadeWithAnotherCount()
    {
        Assert.False(await Soon(Store.DeletePartitionAsync(At(), Cancellation)));
        await AppendAsync(await OpenAsync(At(0)), "a");
        await AppendAsync(await OpenAsync(At(1)), "b");
        Assert.True(await Soon(Store.DeletePartitionAsync(At(0), Cancellation)));
        await Assert.ThrowsAsync<StreamMismatchException>(() => OpenAsync(At(0, 1)));
        Assert.True(await Soon(Store.DeletePartitionAsync(At(1), Cancellation)));
        Assert.Equal(0, await AppendAsync(await OpenAsync(At(0, 1)), "c"));
    }

    [Fact]
    public async Task S3_Deleting_EndsTheWaits()
    {
        var waiting = WaitAsync(await OpenAsync(), 0);
        await StillWaits(waiting);
        Assert.True(await Soon(Store.DeletePartitionAsync(At(), Cancellation)));
        await Assert.ThrowsAnyAsync<Exception>(() => Soon(waiting));
    }
}
