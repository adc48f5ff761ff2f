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

public sealed class StreamConsumerTests : IAsyncLifetime
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
        await _client.Streams.CreateAsync("s", new StreamSettings { Partitions = 4 }, Cancel);
    }

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    [Fact]
    public async Task Read_ReturnsWhatIsThere_WithAllOfIt()
    {
        await using var producer = _client.StreamProducer<Order>("s", new() { Key = order => order.Number });
        await producer.AppendAsync(new Order("customer-1", 7), new StreamAppendOptions { Headers = MessageHeaders.Of(("a", "b")) }, Cancel);
        await using var consumer = _client.StreamConsumer<Order>("s");

        var message = Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));

        Assert.Equal(new Order("customer-1", 7), message.Value);
        Assert.Equal(("customer-1", 1, 0L, "b"), (message.Key, message.Partition, message.Offset, message.Headers["a"]));
        Assert.Equal(_clock.GetUtcNow(), message.Timestamp);
    }

    [Fact]
    public async Task S4_APoll_ReturnsAtOnce_AndSeesWhatWasJustAppended()
    {
        await using var consumer = _client.StreamConsumer<string>("s");

        for (var i = 0; i < 100; i++)
        {
            Assert.Empty(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));
            await AppendAsync(i % 4, $"{i}");
            Assert.Equal($"{i}", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
        }
    }

    [Fact]
    public async Task S4_ARead_ReturnsAsSoonAsAnyPartitionHasSomething()
    {
        await using var consumer = _client.StreamConsumer<string>("s");
        var read = consumer.ReadAsync(10, Timeout.InfiniteTimeSpan, Cancel).AsTask();

        await AppendAsync(3, "x");

        Assert.Equal("x", Assert.Single(await read).Value);
    }

    [Fact]
    public async Task S4_ATimeout_IsOneTotalDeadline()
    {
        await using var consumer = _client.StreamConsumer<string>("s");
        var read = consumer.ReadAsync(10, TimeSpan.FromSeconds(5), Cancel).AsTask();
        await ManualTime.TimersAsync(_clock, 1, Cancel);

        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Empty(await read);
    }

    [Fact]
    public async Task S4_ATimerThatFiresEarly_DoesNotLeaveTheReadWaiting()
    {
        var registry = new BackendRegistry();
        registry.Add("scripted", (_, _, _) => new ValueTask<Backend>(Backend.Of("scripted", _store, new StateEngine())));
        await using var client = await MillraceClient.OpenAsync("scripted:", options => (options.Backends, options.TimeProvider) = (registry, new EarlyTimers(_clock)), Cancel);
        await client.Streams.CreateAsync("early", new StreamSettings(), Cancel);
        await using var consumer = client.StreamConsumer<string>("early");
        var read = consumer.ReadAsync(10, TimeSpan.FromMilliseconds(20), Cancel).AsTask();

        await ManualTime.AdvanceUntilAsync(_clock, () => read.IsCompleted, Cancel);

        Assert.Empty(await read);
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 0, 0, 0, 20, TimeSpan.Zero), _clock.GetUtcNow());
    }

    [Fact]
    public async Task S5_APositionBeyondTheEnd_IsToldWithTheEnd_AndNothingIsSkipped()
    {
        await AppendAsync(0, "0");
        await using var consumer = _client.StreamConsumer<string>("s", new() { Partitions = [0], Start = StreamStart.At(3) });

        var error = await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));
        Assert.Equal((3L, 0L, 1L), (error.Offset, error.Earliest, error.End));
        await AppendAsync(0, "1");
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));

        Assert.True(await consumer.SeekAsync(0, 1, Cancel));
        Assert.Equal("1", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
    }

    [Fact]
    public async Task AStreamThatIsDeleted_EndsItsReader()
    {
        await AppendAsync(0, "x");
        await using var consumer = _client.StreamConsumer<string>("s");
        Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));
        var next = consumer.ReadAllAsync(Cancel).GetAsyncEnumerator(Cancel).MoveNextAsync().AsTask();

        await _client.Streams.DeleteAsync("s", Cancel);

        await Assert.ThrowsAsync<StreamNotFoundException>(() => next);
    }

    [Fact]
    public async Task AStreamThatIsDeletedAndCreatedAgain_IsAnotherOneToItsReader()
    {
        await AppendAsync(0, "x");
        await using var consumer = _client.StreamConsumer<string>("s");
        Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));

        await _client.Streams.DeleteAsync("s", Cancel);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        await _client.Streams.CreateAsync("s", new StreamSettings { Partitions = 4 }, Cancel);
        await AppendAsync(0, "y");

        var error = await Assert.ThrowsAsync<StreamMismatchException>(async () => await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));
        Assert.Contains("deleted and created again", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheLag_CountsWhatIsThere_AndNotWhatWasTrimmed()
    {
        for (var i = 0; i < 5; i++)
        {
            await AppendAsync(0, $"{i}");
        }

        await using var consumer = _client.StreamConsumer<string>("s", new() { Partitions = [0] });
        Assert.Equal(5, Assert.Single(await consumer.GetLagAsync(Cancel)).Records);
        await (await _client.Streams.OpenPartitionAsync("s", 0, Cancel)).TrimAsync(3, Cancel);

        Assert.Equal(2, Assert.Single(consumer.GetLag(Cancel)).Records);
        var stats = _client.Streams.GetStats("s", Cancel);
        Assert.Equal((4, 2L), (stats.Partitions.Count, stats.Records));
    }

    [Fact]
    public async Task ACancelledRead_LosesNothing()
    {
        await using var consumer = _client.StreamConsumer<string>("s");
        using var cancellation = new CancellationTokenSource();
        var read = consumer.ReadAsync(10, Timeout.InfiniteTimeSpan, cancellation.Token).AsTask();

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
        await AppendAsync(0, "x");
        Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));
    }

    [Fact]
    public async Task TwoReadsAtOnce_AreRefused()
    {
        var consumer = _client.StreamConsumer<string>("s");
        var read = consumer.ReadAsync(10, Timeout.InfiniteTimeSpan, Cancel).AsTask();

        await Assert.ThrowsAsync<InvalidOperationException>(async () => await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));
        await consumer.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => read);
    }

    [Fact]
    public async Task ABusyPartition_DoesNotStarveTheOthers()
    {
        for (var i = 0; i < 100; i++)
        {
            await AppendAsync(0, "busy");
        }

        await AppendAsync(2, "quiet");
        await using var consumer = _client.StreamConsumer<string>("s");

        var messages = (await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Concat(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));

        Assert.Contains(messages, message => message.Value == "quiet");
    }

    [Fact]
    public async Task S7_WhenALaterPartitionFails_TheEarlierRecordsAreReceivedOnce()
    {
        await AppendAsync(0, "a");
        await AppendAsync(1, "b");
        await using var consumer = _client.StreamConsumer<string>("s");
        _store.BeforeRead = partition =>
        {
            if (partition == 1)
            {
                throw new BackendUnavailableException("Partition 1 is away.");
            }
        };

        Assert.Equal("a", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
        await Assert.ThrowsAsync<BackendUnavailableException>(async () => await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));
        _store.BeforeRead = _ => { };

        Assert.Equal("b", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
    }

    [Fact]
    public async Task S7_WhatAnEnumerationFetchedAndDidNotTake_ComesWithTheNextRead()
    {
        for (var i = 0; i < 5; i++)
        {
            await AppendAsync(0, $"{i}");
        }

        await using var consumer = _client.StreamConsumer<string>("s");
        await foreach (var message in consumer.ReadAllAsync(Cancel))
        {
            if (message.Value == "1")
            {
                break;
            }
        }

        Assert.Equal(2, (await consumer.GetLagAsync(Cancel))[0].Offset);
        Assert.Equal(["2", "3", "4"], (await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Select(message => message.Value));
    }

    [Fact]
    public async Task S5_ATrimmedStart_IsAnError_OrAJumpByOption()
    {
        for (var i = 0; i < 5; i++)
        {
            await AppendAsync(0, $"{i}");
        }

        await (await _client.Streams.OpenPartitionAsync("s", 0, Cancel)).TrimAsync(3, Cancel);
        await using var strict = _client.StreamConsumer<string>("s", new() { Start = StreamStart.At(1) });
        await using var lenient = _client.StreamConsumer<string>("s", new() { Partitions = [0], Start = StreamStart.At(1), WhenTrimmed = OffsetReset.Earliest });

        Assert.Equal(3, (await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await strict.ReadAsync(10, TimeSpan.Zero, Cancel))).Earliest);
        Assert.Equal(["3", "4"], (await lenient.ReadAsync(10, TimeSpan.Zero, Cancel)).Select(message => message.Value));
    }

    [Fact]
    public async Task Starts_BeginWhereTheySay()
    {
        await AppendAsync(0, "0");
        _clock.Advance(TimeSpan.FromMinutes(1));
        var noon = _clock.GetUtcNow();
        await AppendAsync(0, "1");
        await AppendAsync(0, "2");

        Assert.Equal(["0", "1", "2"], await ReadFromAsync(StreamStart.Earliest));
        Assert.Equal(["1", "2"], await ReadFromAsync(StreamStart.At(noon)));
        Assert.Equal(["2"], await ReadFromAsync(StreamStart.At(2)));
        Assert.Empty(await ReadFromAsync(StreamStart.Latest));
    }

    [Fact]
    public async Task APartitionOrSeveral_AreReadAlone()
    {
        for (var partition = 0; partition < 4; partition++)
        {
            await AppendAsync(partition, $"{partition}");
        }

        Assert.Equal(["2"], await ReadOfAsync([2]));
        Assert.Equal(["1", "3"], await ReadOfAsync([3, 1]));
        Assert.Equal(["0", "1", "2", "3"], await ReadOfAsync(null));

        async Task<IEnumerable<string>> ReadOfAsync(IReadOnlyList<int>? partitions)
        {
            await using var consumer = _client.StreamConsumer<string>("s", new() { Partitions = partitions });
            return (await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Select(message => message.Value).Order(StringComparer.Ordinal).ToList();
        }
    }

    [Fact]
    public async Task PauseResumeAndSeek_MoveOnlyTheirPartitions()
    {
        await AppendAsync(0, "a0");
        await AppendAsync(1, "b0");
        await using var consumer = _client.StreamConsumer<string>("s");
        Assert.True(await consumer.SeekAsync(0, 0, Cancel));
        consumer.Pause(0);

        Assert.Equal("b0", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
        consumer.Resume(0);
        Assert.Equal("a0", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
        Assert.True(await consumer.SeekAsync(1, 0, Cancel));
        Assert.Equal("b0", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
        Assert.False(await consumer.SeekAsync(9, 0, Cancel));
        Assert.All(await consumer.GetLagAsync(Cancel), lag => Assert.Equal(0, lag.Records));
    }

    [Fact]
    public async Task S6_Ranks_ShareThePartitions_AndNonsenseIsRefused()
    {
        await using var first = _client.StreamConsumer<string>("s", new() { Rank = 0, WorldSize = 3 });
        await using var last = _client.StreamConsumer<string>("s", new() { Rank = 2, WorldSize = 3 });
        await first.ReadAsync(1, TimeSpan.Zero, Cancel);
        await last.ReadAsync(1, TimeSpan.Zero, Cancel);

        Assert.Equal([0, 3], first.Assignment);
        Assert.Equal([2], last.Assignment);
        Assert.Throws<MillraceConfigurationException>(() => _client.StreamConsumer<string>("s", new() { Rank = 3, WorldSize = 3 }));
        Assert.Throws<MillraceConfigurationException>(() => _client.StreamConsumer<string>("s", new() { Rank = 0 }));
        Assert.Throws<MillraceConfigurationException>(() => _client.StreamConsumer<string>("s", new() { Rank = 0, WorldSize = 1, Group = "g" }));
        Assert.Throws<MillraceConfigurationException>(() => _client.StreamConsumer<string>("s", new() { Partitions = [1, 1] }));
    }

    [Fact]
    public async Task AnUnknownStream_OrPartition_IsRefused()
    {
        await using var nowhere = _client.StreamConsumer<string>("nowhere");
        await using var beyond = _client.StreamConsumer<string>("s", new() { Partitions = [4] });

        await Assert.ThrowsAsync<StreamNotFoundException>(async () => await nowhere.ReadAsync(1, TimeSpan.Zero, Cancel));
        await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await beyond.ReadAsync(1, TimeSpan.Zero, Cancel));
    }

    [Fact]
    public async Task ARecordThatCannotBeRead_SaysWhich_AndCanBeSoughtPast()
    {
        await AppendAsync(0, """{"number":"A"}""");
        await AppendAsync(0, "no json");
        await AppendAsync(0, """{"number":"B"}""");
        await using var consumer = _client.StreamConsumer<Order>("s");

        Assert.Equal("A", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value.Number);
        var fault = await Assert.ThrowsAsync<MessageSerializationException>(async () => await consumer.ReadAsync(10, TimeSpan.Zero, Cancel));
        Assert.Contains("Record 1 of stream 's', partition 0", fault.Message, StringComparison.Ordinal);
        await consumer.SeekAsync(0, 2, Cancel);
        Assert.Equal("B", Assert.Single(await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Value.Number);
    }

    [Fact]
    public async Task Commit_WithoutAGroup_SaysWhatToDo()
    {
        await using var consumer = _client.StreamConsumer<string>("s");

        await Assert.ThrowsAsync<InvalidOperationException>(async () => await consumer.CommitAsync(Cancel));
    }

    [Fact]
    public async Task ReadAll_WaitsOutTransientFaults()
    {
        await AppendAsync(0, "x");
        await using var consumer = _client.StreamConsumer<string>("s");
        var reads = 0;
        _store.BeforeRead = _ => _ = ++reads <= 3 ? throw new BackendUnavailableException("The store is away.") : 0;
        var enumerator = consumer.ReadAllAsync(Cancel).GetAsyncEnumerator(Cancel);

        var next = enumerator.MoveNextAsync().AsTask();
        await ManualTime.AdvanceUntilAsync(_clock, () => next.IsCompleted, Cancel);

        Assert.True(await next);
        Assert.Equal("x", enumerator.Current.Value);
        await enumerator.DisposeAsync();
    }

    [Fact]
    public async Task PollsThatFindNothing_LeaveNoWaitsBehind()
    {
        await using var consumer = _client.StreamConsumer<ReadOnlyMemory<byte>>("s");
        for (var i = 0; i < 10_000; i++)
        {
            await consumer.ReadAsync(10, TimeSpan.Zero, Cancel);
        }

        Assert.InRange(_store.OpenWaits, 0, 4);
    }

    private async Task<IEnumerable<string>> ReadFromAsync(StreamStart start)
    {
        await using var consumer = _client.StreamConsumer<string>("s", new() { Partitions = [0], Start = start });
        return (await consumer.ReadAsync(10, TimeSpan.Zero, Cancel)).Select(message => message.Value);
    }

    private async Task AppendAsync(int partition, string body)
    {
        var opened = await _client.Streams.OpenPartitionAsync("s", partition, Cancel);
        await opened.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = Encoding.UTF8.GetBytes(body) } }), Cancel);
    }
}
