using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    [Theory]
    [MemberData(nameof(StreamTheories.BadStreamNames), MemberType = typeof(StreamTheories))]
    public async Task Input_ABadStreamName_IsRefusedEverywhere(string name)
    {
        await Assert.ThrowsAsync<InvalidNameException>(() => OpenAsync(At() with { Stream = name }));
        await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Store.DeletePartitionAsync(At() with { Stream = name }, Cancellation)));
    }

    [Fact]
    public async Task Input_TheLongestName_AndUnusualOnes_Work()
    {
        string[] names = [new string('x', 200), new string('ä', 100), "with space / and: ' \" % _ * [x] ; --", "日本語🙂", "UPPER", "upper", ".", "..", "../x", "a/b", "con", "a\\b"];
        foreach (var name in names)
        {
            await AppendAsync(await OpenAsync(At() with { Stream = name }), name);
        }

        foreach (var name in names)
        {
            Assert.Equal([name], await TextsAsync(await OpenAsync(At() with { Stream = name })));
            Assert.True(await Soon(Store.DeletePartitionAsync(At() with { Stream = name }, Cancellation)));
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, -1)]
    [InlineData(-1, 1)]
    [InlineData(1, 1)]
    [InlineData(0, StreamPartitionContext.MaxPartitions + 1)]
    public async Task Input_APartitionOutOfRange_IsRefused(int partition, int count) =>
        await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync(At(partition, count)));

    [Fact]
    public async Task Input_ABadRetention_IsRefused()
    {
        foreach (var retention in new StreamRetention[] { new() { MaxAge = TimeSpan.Zero }, new() { MaxBytes = 0 }, new() { MaxRecords = -1 } })
        {
            await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync(At(retention: retention)));
        }
    }

    [Theory]
    [MemberData(nameof(StreamTheories.BadProducers), MemberType = typeof(StreamTheories))]
    public async Task Input_ABadProducer_IsRefused(string producer)
    {
        var partition = await OpenAsync();
        await Assert.ThrowsAsync<InvalidNameException>(() => ProduceAsync(partition, producer, 0, "a"));
        Assert.Empty(await TextsAsync(partition));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public async Task Input_ABadSequence_IsRefused(long first)
    {
        var partition = await OpenAsync();
        await Assert.ThrowsAsync<InvalidMessageException>(() => ProduceAsync(partition, "p", first, "a", "b"));
        Assert.Empty(await TextsAsync(partition));
    }

    [Fact]
    public async Task Input_ARecordOverTheLimit_IsRefused_AndOneAtItIsTaken()
    {
        var partition = await OpenAsync();
        var limits = Store.Capabilities;
        var body = new byte[limits.MaxRecordBytes];
        var record = new StreamRecord { Key = new byte[1], Body = body };
        var error = await Assert.ThrowsAsync<InvalidMessageException>(() => AppendAsync(partition, record));
        Assert.Contains($"{limits.MaxRecordBytes:N0}", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, await AppendAsync(partition, record with { Body = body.AsMemory(1) }));
        Assert.Equal(body.Length - 1, (await ReadAllAsync(partition))[0].Body.Length);
    }

    [Fact]
    public async Task Input_AnAppendOverTheLimit_IsRefusedWhole()
    {
        var partition = await OpenAsync();
        var limits = Store.Capabilities;
        var body = new byte[limits.MaxRecordBytes];
        var records = Enumerable.Repeat(new StreamRecord { Body = body }, (limits.MaxAppendBytes / limits.MaxRecordBytes) + 1).ToArray();
        await Assert.ThrowsAsync<InvalidMessageException>(() => AppendAsync(partition, records));
        Assert.Equal(0, (await StatsAsync(partition)).EndOffset);
    }

    [Fact]
    public async Task Input_ABadRead_IsRefused()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "a");
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Soon(partition.ReadAsync(-1, 1, 1, Cancellation)));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Soon(partition.ReadAsync(0, 0, 1, Cancellation)));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Soon(partition.ReadAsync(0, 1, 0, Cancellation)));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Soon(partition.WaitForAsync(-1, Cancellation)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(partition.ReadAsync(0, 1, 1, new CancellationToken(canceled: true))));
    }

    [Fact]
    public async Task Input_Null_IsRefused()
    {
        await Assert.ThrowsAnyAsync<ArgumentException>(() => OpenAsync((StreamPartitionContext)null!));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Store.DeletePartitionAsync(null!, Cancellation)));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => OpenAsync(At() with { Stream = null! }));
    }

    [Fact]
    public async Task Input_AfterDisposal_EveryCallSaysSo()
    {
        var store = Store;
        var partition = await OpenAsync();
        await AppendAsync(partition, "a");
        await Soon(Backend.DisposeAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(store.OpenPartitionAsync(At(), Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(store.DeletePartitionAsync(At(), Cancellation)));
        await AssertDisposedAsync(partition);
    }

    [Fact]
    public async Task Input_ADisposedOpening_SaysSo_AndOthersGoOn()
    {
        var partition = await OpenAsync();
        var other = await OpenAsync();
        await AppendAsync(partition, "a");
        await Soon(partition.DisposeAsync());
        await Soon(partition.DisposeAsync());
        await AssertDisposedAsync(partition);
        Assert.Equal(1, await AppendAsync(other, "b"));
        Assert.Equal(["a", "b"], await TextsAsync(await OpenAsync()));
    }

    [Fact]
    public void Input_TheCapabilities_AreStated()
    {
        var capabilities = Store.Capabilities;
        Assert.Equal(Backend.Name, capabilities.Backend);
        Assert.Same(capabilities, Store.Capabilities);
        Assert.InRange(capabilities.MaxRecordBytes, 1 << 20, int.MaxValue);
        Assert.InRange(capabilities.MaxAppendBytes, capabilities.MaxRecordBytes, int.MaxValue);
        Assert.Equal(Fixture.CanReopen, capabilities.Durability != StoreDurability.None);
    }

    private static async Task AssertDisposedAsync(IStreamPartition partition)
    {
        await Assert.ThrowsAsync<ObjectDisposedException>(() => AppendAsync(partition, "x"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(partition.ReadAsync(0, 1, 1, Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(partition.WaitForAsync(5, Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(partition.FindOffsetAsync(default, Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(partition.FlushAsync(Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(partition.TrimAsync(0, Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(partition.GetStatsAsync(Cancellation)));
    }
}
