using System.Text;
using Millrace.Client;
using Millrace.Storage;
using Millrace.Storage.Engine;
using Millrace.Streams;
using Millrace.Testing;
using Millrace.Tests.Client;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Streams;

public sealed class StreamProducerTests : IAsyncLifetime
{
    private readonly ManualTimeProvider _clock = new();
    private ScriptedStreamStore _store = null!;
    private MillraceClient _client = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = new ScriptedStreamStore(_clock);
        var registry = new BackendRegistry();
        registry.Add("scripted", (_, _, _) => new ValueTask<Backend>(Backend.Of("scripted", _store, new StateEngine())));
        _client = await MillraceClient.OpenAsync("scripted:", options => (options.Backends, options.TimeProvider) = (registry, _clock), Cancel);
    }

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    [Theory]
    [InlineData("21", -973932308)]
    [InlineData("foobar", -790332482)]
    [InlineData("a-little-bit-long-string", -985981536)]
    [InlineData("a-little-bit-longer-string", -1486304829)]
    [InlineData("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971)]
    [InlineData("abc", 479470107)]
    public void S3_TheHashOfAKey_NeverChanges(string key, int hash)
    {
        Assert.Equal(hash, (int)StreamPartitioner.Hash(Encoding.UTF8.GetBytes(key)));
        Assert.Equal((hash & int.MaxValue) % 7, StreamPartitioner.PartitionOf(Encoding.UTF8.GetBytes(key), 7));
    }

    [Theory]
    [InlineData("", 4, 1)]
    [InlineData("customer-1", 4, 1)]
    [InlineData("customer-2", 4, 2)]
    [InlineData("Zürich", 16, 1)]
    public void S3_ThePartitionOfAKey_NeverChanges(string key, int partitions, int partition) =>
        Assert.Equal(partition, StreamPartitioner.PartitionOf(Encoding.UTF8.GetBytes(key), partitions));

    [Fact]
    public async Task Append_OfOneKey_LandsInItsPartitionInOrder()
    {
        await using var producer = Producer(new() { Settings = new StreamSettings { Partitions = 4 }, Key = order => order.Number });

        var first = await producer.AppendAsync(new Order("customer-1"), cancellationToken: Cancel);
        var second = await producer.AppendAsync(new Order("customer-1"), cancellationToken: Cancel);

        Assert.Equal(new StreamAppendResult(1, 0), first);
        Assert.Equal(new StreamAppendResult(1, 1), second);
        var record = (await ReadAsync(1))[0];
        Assert.Equal("customer-1", Encoding.UTF8.GetString(record.Key.Span));
        Assert.Equal("""{"number":"customer-1","quantity":1}""", Encoding.UTF8.GetString(record.Body.Span));
    }

    [Fact]
    public async Task Append_WithAKeyProperty_TakesItFromTheJson()
    {
        await using var producer = Producer(new() { Settings = new StreamSettings { Partitions = 4 }, KeyProperty = "quantity" });

        var result = await producer.AppendAsync(new Order("A-1", 17), cancellationToken: Cancel);

        Assert.Equal("17", Encoding.UTF8.GetString((await ReadAsync(result.Partition))[0].Key.Span));
    }

    [Fact]
    public async Task Append_WithoutTheKeyProperty_IsRefusedByItsName()
    {
        await using var producer = Producer(new() { KeyProperty = "Quantity" });

        var fault = await Assert.ThrowsAsync<InvalidMessageException>(async () => await producer.AppendAsync(new Order("A-1"), cancellationToken: Cancel));

        Assert.Contains("'Quantity'", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void KeyProperty_OfWhatIsNoJson_IsRefusedAtOnce() =>
        Assert.Throws<MillraceConfigurationException>(() => _client.StreamProducer<byte[]>("orders", new() { KeyProperty = "id" }));

    [Fact]
    public async Task Append_WithoutKey_GoesRound()
    {
        await using var producer = Producer(new() { Settings = new StreamSettings { Partitions = 3 } });

        var partitions = new List<int>();
        for (var i = 0; i < 6; i++)
        {
            partitions.Add((await producer.AppendAsync(new Order("A"), cancellationToken: Cancel)).Partition);
        }

        Assert.Equal([0, 1, 2, 0, 1, 2], partitions);
    }

    [Fact]
    public async Task Append_WithoutKeyWhileABatchGathers_JoinsIt()
    {
        await using var producer = Producer(new() { Settings = new StreamSettings { Partitions = 3 }, Linger = TimeSpan.FromSeconds(1) });
        await producer.AppendBatchAsync([], cancellationToken: Cancel);

        var appends = Enumerable.Range(0, 5).Select(_ => producer.AppendAsync(new Order("A"), cancellationToken: Cancel).AsTask()).ToList();
        await ManualTime.TimersAsync(_clock, 1, Cancel);
        await producer.FlushAsync(Cancel);

        Assert.Equal([0, 0, 0, 0, 0], (await Task.WhenAll(appends)).Select(result => result.Partition));
        Assert.Equal(1, _store.Appends);
    }

    [Fact]
    public async Task Linger_GathersUntilItsTimeIsOver()
    {
        await using var producer = Producer(new() { Linger = TimeSpan.FromSeconds(1) });
        await producer.AppendBatchAsync([], cancellationToken: Cancel);
        var appends = Enumerable.Range(0, 3).Select(_ => producer.AppendAsync(new Order("A"), cancellationToken: Cancel).AsTask()).ToList();
        await ManualTime.TimersAsync(_clock, 1, Cancel);
        Assert.All(appends, append => Assert.False(append.IsCompleted));

        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal([0L, 1, 2], (await Task.WhenAll(appends)).Select(result => result.Offset));
        Assert.Equal(1, _store.Appends);
    }

    [Fact]
    public async Task Linger_WhoseTimerFiresEarly_EndsAllTheSame()
    {
        var registry = new BackendRegistry();
        registry.Add("scripted", (_, _, _) => new ValueTask<Backend>(Backend.Of("scripted", _store, new StateEngine())));
        await using var client = await MillraceClient.OpenAsync("scripted:", options => (options.Backends, options.TimeProvider) = (registry, new EarlyTimers(_clock)), Cancel);
        await using var producer = client.StreamProducer<string>("early", new() { Linger = TimeSpan.FromMilliseconds(20) });
        var append = producer.AppendAsync("x", cancellationToken: Cancel).AsTask();

        await ManualTime.AdvanceUntilAsync(_clock, () => append.IsCompleted, Cancel);

        Assert.Equal(0, (await append).Offset);
    }

    [Fact]
    public async Task S3_AStreamThatWasCreatedAgain_WithOtherPartitions_RefusesTheProducerOfTheFirst()
    {
        await using var producer = Producer(new() { Settings = new StreamSettings { Partitions = 2 }, Key = order => order.Number });
        await producer.AppendAsync(new Order("A"), cancellationToken: Cancel);
        await producer.AppendAsync(new Order("B"), cancellationToken: Cancel);
        await _client.Streams.DeleteAsync("orders", Cancel);
        await _client.Streams.CreateAsync("orders", new StreamSettings { Partitions = 8 }, Cancel);

        var append = producer.AppendAsync(new Order("A"), cancellationToken: Cancel).AsTask();
        await ManualTime.AdvanceUntilAsync(_clock, () => append.IsCompleted, Cancel);

        await Assert.ThrowsAsync<StreamMismatchException>(() => append);
        Assert.Equal(0, (await _client.Streams.GetStatsAsync("orders", Cancel)).Records);
    }

    [Fact]
    public async Task Linger_OfAFullBatch_IsCutShort()
    {
        await using var producer = Producer(new() { Linger = TimeSpan.FromDays(1), BatchSize = 3 });

        var appends = Enumerable.Range(0, 3).Select(_ => producer.AppendAsync(new Order("A"), cancellationToken: Cancel).AsTask()).ToList();

        Assert.Equal([0L, 1, 2], (await Task.WhenAll(appends)).Select(result => result.Offset));
    }

    [Fact]
    public async Task Appends_ThatAreNotAwaited_KeepTheirOrder()
    {
        await using var producer = _client.StreamProducer<byte[]>("orders", new() { MaxBufferedBytes = 50 });

        var appends = Enumerable.Range(0, 200).Select(i => producer.AppendAsync([(byte)i], cancellationToken: Cancel).AsTask()).ToList();

        Assert.Equal(Enumerable.Range(0, 200).Select(i => (long)i), (await Task.WhenAll(appends)).Select(result => result.Offset));
    }

    [Fact]
    public async Task AppendBatch_OverPartitions_TellsWhereEachIs()
    {
        await using var producer = Producer(new() { Settings = new StreamSettings { Partitions = 4 }, Key = order => order.Number });
        var orders = Enumerable.Range(0, 100).Select(i => new Order($"customer-{i % 10}", i + 1)).ToList();

        var results = await producer.AppendBatchAsync(orders, cancellationToken: Cancel);

        for (var i = 0; i < orders.Count; i++)
        {
            var record = (await ReadAsync(results[i].Partition))[(int)results[i].Offset];
            Assert.Contains($"\"quantity\":{i + 1}}}", Encoding.UTF8.GetString(record.Body.Span), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task AppendBatch_WithOneBadRecord_StoresNothing()
    {
        await using var producer = Producer(new() { KeyProperty = "number" });

        await Assert.ThrowsAsync<InvalidMessageException>(async () => await producer.AppendBatchAsync([new Order("A"), new Order(null!)], cancellationToken: Cancel));

        Assert.Empty(await producer.AppendBatchAsync([], cancellationToken: Cancel));
        Assert.Equal(0, _store.Appends);
    }

    [Fact]
    public async Task S8_AnAnswerThatWasLost_IsRepeatedAndStoredOnce()
    {
        await using var producer = Producer(new());
        _store.AfterAppend = append => Cut(append == 1, mayHaveBeenApplied: true);

        var append = producer.AppendAsync(new Order("A"), cancellationToken: Cancel).AsTask();
        await ManualTime.AdvanceUntilAsync(_clock, () => append.IsCompleted, Cancel);
        var next = await producer.AppendAsync(new Order("B"), cancellationToken: Cancel);

        Assert.Equal(new StreamAppendResult(0, 0), await append);
        Assert.Equal(new StreamAppendResult(0, 1), next);
        Assert.Equal(2, (await ReadAsync(0)).Count);
    }

    [Fact]
    public async Task WithoutIdempotence_WhatMayHaveBeenStored_IsNotRepeated()
    {
        await using var producer = Producer(new() { Idempotent = false });
        _store.AfterAppend = append => Cut(append == 1, mayHaveBeenApplied: true);

        await Assert.ThrowsAsync<BackendUnavailableException>(async () => await producer.AppendAsync(new Order("A"), cancellationToken: Cancel));

        Assert.Equal(1, _store.Appends);
    }

    [Fact]
    public async Task ATransientFault_ThatLastsTooLong_FailsTheAppendAndTheFlush()
    {
        await using var producer = Producer(new() { RetryFor = TimeSpan.FromSeconds(1) });
        _store.BeforeAppend = _ => throw new BackendUnavailableException("The store is away.");

        var append = producer.AppendAsync(new Order("A"), cancellationToken: Cancel).AsTask();
        await ManualTime.AdvanceUntilAsync(_clock, () => append.IsCompleted, Cancel);

        await Assert.ThrowsAsync<BackendUnavailableException>(() => append);
        Assert.True(_store.Appends > 1);
        await Assert.ThrowsAsync<BackendUnavailableException>(async () => await producer.FlushAsync(Cancel));
        await producer.FlushAsync(Cancel);
    }

    [Fact]
    public async Task ARecordOverTheLimit_FailsAlone()
    {
        await using var producer = _client.StreamProducer<byte[]>("orders", new() { Linger = TimeSpan.FromDays(1) });
        var good = producer.AppendAsync([1], cancellationToken: Cancel).AsTask();

        await Assert.ThrowsAsync<InvalidMessageException>(async () => await producer.AppendAsync(new byte[StreamCapabilities.DefaultMaxRecordBytes + 1], cancellationToken: Cancel));
        await producer.FlushAsync(Cancel);

        Assert.Equal(0, (await good).Offset);
    }

    [Fact]
    public async Task ABufferThatIsFull_HoldsCallersBackUntilThereIsRoom()
    {
        await using var producer = _client.StreamProducer<byte[]>("orders", new() { MaxBufferedBytes = 100 });
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _store.BeforeAppend = _ => release.Task;
        var held = producer.AppendAsync(new byte[80], cancellationToken: Cancel).AsTask();
        var cancelled = new CancellationTokenSource();
        var waiting = producer.AppendAsync(new byte[30], cancellationToken: cancelled.Token).AsTask();
        var behind = producer.AppendAsync(new byte[30], cancellationToken: Cancel).AsTask();

        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.False(behind.IsCompleted);
        release.SetResult();

        Assert.Equal(0, (await held).Offset);
        Assert.Equal(1, (await behind).Offset);
    }

    [Fact]
    public async Task Dispose_WritesWhatWasAccepted()
    {
        var producer = Producer(new() { Linger = TimeSpan.FromDays(1) });
        var append = producer.AppendAsync(new Order("A"), cancellationToken: Cancel).AsTask();

        await producer.DisposeAsync();

        Assert.Equal(0, (await append).Offset);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await producer.AppendAsync(new Order("A"), cancellationToken: Cancel));
    }

    [Fact]
    public async Task DisposingTheClient_WritesWhatItsProducersAccepted()
    {
        var producer = Producer(new() { Linger = TimeSpan.FromDays(1) });
        var append = producer.AppendAsync(new Order("A"), cancellationToken: Cancel).AsTask();

        await _client.DisposeAsync();

        Assert.Equal(0, (await append).Offset);
    }

    [Fact]
    public async Task WithoutCreate_AnUnknownStream_IsRefused()
    {
        await using var producer = Producer(new() { Create = false });

        await Assert.ThrowsAsync<StreamNotFoundException>(async () => await producer.AppendAsync(new Order("A"), cancellationToken: Cancel));
    }

    [Fact]
    public async Task S3_WithOtherSettings_AnExistingStream_IsAMismatch()
    {
        await _client.Streams.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);
        await using var producer = Producer(new() { Settings = new StreamSettings { Partitions = 3 } });

        await Assert.ThrowsAsync<StreamMismatchException>(async () => await producer.AppendAsync(new Order("A"), cancellationToken: Cancel));
    }

    [Fact]
    public async Task AppendOptions_SetPartitionHeadersAndTime()
    {
        await using var producer = _client.StreamProducer<string>("orders", new() { Settings = new StreamSettings { Partitions = 3 } });
        var time = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);

        await producer.AppendAsync("hello", new StreamAppendOptions { Partition = 2, Headers = MessageHeaders.Of(("a", "b")), Timestamp = time }, Cancel);

        var record = Assert.Single(await ReadAsync(2));
        Assert.Equal(time, record.Timestamp);
        Assert.Equal("b", record.Headers!["a"]);
        Assert.StartsWith("text/plain", record.Headers["content-type"], StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidMessageException>(async () => await producer.AppendAsync("hello", new StreamAppendOptions { Partition = 3 }, Cancel));
    }

    private StreamProducer<Order> Producer(StreamProducerOptions<Order> options) => _client.StreamProducer("orders", options);

    private async Task<IReadOnlyList<StreamRecord>> ReadAsync(int partition)
    {
        var opened = await _client.Streams.OpenPartitionAsync("orders", partition, Cancel);
        return (await opened.ReadAsync(0, 1000, int.MaxValue, Cancel)).Records.ToArray();
    }

    private static void Cut(bool happens, bool mayHaveBeenApplied)
    {
        if (happens)
        {
            throw new BackendUnavailableException("The connection was cut.", mayHaveBeenApplied);
        }
    }
}
