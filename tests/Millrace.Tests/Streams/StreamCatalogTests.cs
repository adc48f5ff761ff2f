using Millrace.Client;
using Millrace.Storage;
using Millrace.Storage.Engine;
using Millrace.Storage.InMemory;
using Millrace.Streams;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Streams;

public sealed class StreamCatalogTests : IAsyncLifetime
{
    private readonly ManualTimeProvider _clock = new();
    private MillraceClient _client = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private StreamCatalog Streams => _client.Streams;

    public async ValueTask InitializeAsync() => _client = await MillraceClient.OpenAsync("memory:", options => options.TimeProvider = _clock, Cancel);

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    [Fact]
    public async Task Create_ANewStream_KeepsItsSettings()
    {
        var settings = new StreamSettings { Partitions = 4, Retention = new StreamRetention { MaxAge = TimeSpan.FromHours(1), MaxRecords = 10 } };

        Assert.True(await Streams.CreateAsync("orders", settings, Cancel));

        Assert.Equal(new StreamInfo("orders", settings, _clock.GetUtcNow()), await Streams.GetAsync("orders", Cancel));
    }

    [Fact]
    public async Task Create_AgainTheSame_SaysThatItExisted()
    {
        await Streams.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);

        Assert.False(await Streams.CreateAsync("orders", new StreamSettings { Partitions = 2, Retention = new StreamRetention { MaxBytes = 1 } }, Cancel));
        Assert.Equal(StreamRetention.Forever, (await Streams.GetAsync("orders", Cancel))!.Settings.Retention);
    }

    [Fact]
    public async Task S3_Create_WithOtherPartitions_IsAMismatchThatNamesBoth()
    {
        await Streams.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);

        var mismatch = await Assert.ThrowsAsync<StreamMismatchException>(async () => await Streams.CreateAsync("orders", new StreamSettings { Partitions = 3 }, Cancel));

        Assert.Contains("has 2 partitions and was asked for with 3", mismatch.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task S3_Create_WithAnotherPath_IsAMismatchThatNamesBoth()
    {
        await Streams.CreateAsync("orders", new StreamSettings(), Cancel);

        var mismatch = await Assert.ThrowsAsync<StreamMismatchException>(async () => await Streams.CreateAsync("orders", new StreamSettings { Path = "/other" }, Cancel));

        Assert.Contains("'/other'", mismatch.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_WhatTheStoreRefuses_LeavesNothingBehind()
    {
        await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await Streams.CreateAsync("orders", new StreamSettings { Path = "/no/files" }, Cancel));

        Assert.Null(await Streams.GetAsync("orders", Cancel));
        Assert.True(await Streams.CreateAsync("orders", new StreamSettings { Partitions = 3 }, Cancel));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(StreamPartitionContext.MaxPartitions + 1)]
    public async Task Create_WithAPartitionCountOutOfRange_IsRefused(int partitions) =>
        await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await Streams.CreateAsync("orders", new StreamSettings { Partitions = partitions }, Cancel));

    [Fact]
    public async Task Create_TheLongestName_IsTaken_AndOneMore_IsRefused()
    {
        Assert.True(await Streams.CreateAsync(new string('n', ResourceName.MaxBytes), new StreamSettings(), Cancel));
        await Assert.ThrowsAsync<InvalidNameException>(async () => await Streams.CreateAsync(new string('n', ResourceName.MaxBytes + 1), new StreamSettings(), Cancel));
    }

    [Fact]
    public async Task OpenPartition_OfAnUnknownStream_NamesIt()
    {
        var fault = await Assert.ThrowsAsync<StreamNotFoundException>(async () => await Streams.OpenPartitionAsync("nowhere", 0, Cancel));

        Assert.Equal("nowhere", fault.Stream);
    }

    [Fact]
    public async Task OpenPartition_ThatIsNotThere_SaysHowManyThereAre()
    {
        await Streams.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);

        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await Streams.OpenPartitionAsync("orders", 2, Cancel));

        Assert.Contains("no partition 2", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenPartition_Twice_IsTheSame()
    {
        await Streams.CreateAsync("orders", new StreamSettings(), Cancel);

        Assert.Same(await Streams.OpenPartitionAsync("orders", 0, Cancel), await Streams.OpenPartitionAsync("orders", 0, Cancel));
    }

    [Fact]
    public async Task Delete_TakesRecordsAndGroups()
    {
        await Streams.CreateAsync("orders", new StreamSettings(), Cancel);
        await AppendAsync("orders", 3);
        await Streams.SeekGroupAsync("orders", "g", 0, 1, Cancel);

        Assert.True(await Streams.DeleteAsync("orders", Cancel));

        Assert.False(await Streams.DeleteAsync("orders", Cancel));
        Assert.Null(await Streams.GetAsync("orders", Cancel));
        await Streams.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);
        Assert.Empty(await Streams.ListGroupsAsync("orders", Cancel));
        Assert.Equal(0, (await (await Streams.OpenPartitionAsync("orders", 0, Cancel)).GetStatsAsync(Cancel)).EndOffset);
    }

    [Fact]
    public async Task Delete_ThatWasCutShort_IsFinishedByTheNextCreation()
    {
        await Streams.CreateAsync("orders", new StreamSettings(), Cancel);
        await AppendAsync("orders", 3);
        var state = _client.Require<IStateStore>();
        var document = (await state.GetAsync("!stream!orders", Cancel))!;
        await state.PutAsync(document.Key, StreamDocuments.Write(StreamDocuments.ReadStream(document) with { IsDeleting = true }), document.Version, Cancel);

        Assert.Null(await Streams.GetAsync("orders", Cancel));
        Assert.Empty(await Streams.ListAsync(cancellationToken: Cancel));
        Assert.True(await Streams.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel));
    }

    [Fact]
    public async Task List_InPages_GivesEachNameOnce()
    {
        string[] names = ["a", "b", "b2", "c"];
        foreach (var name in names)
        {
            await Streams.CreateAsync(name, new StreamSettings(), Cancel);
        }

        var first = await Streams.ListAsync(limit: 3, cancellationToken: Cancel);
        var second = await Streams.ListAsync(after: first[^1].Name, limit: 3, cancellationToken: Cancel);

        Assert.Equal(names, first.Concat(second).Select(stream => stream.Name));
        Assert.Equal(["b", "b2"], (await Streams.ListAsync("b", cancellationToken: Cancel)).Select(stream => stream.Name));
    }

    [Fact]
    public async Task SetRetention_IsKept_AndActsOnOpenPartitions()
    {
        await Streams.CreateAsync("orders", new StreamSettings(), Cancel);
        await AppendAsync("orders", 5);

        await Streams.SetRetentionAsync("orders", new StreamRetention { MaxRecords = 2 }, Cancel);

        Assert.Equal(2, (await Streams.GetAsync("orders", Cancel))!.Settings.Retention.MaxRecords);
        Assert.Equal(3, (await (await Streams.OpenPartitionAsync("orders", 0, Cancel)).GetStatsAsync(Cancel)).EarliestOffset);
        await Assert.ThrowsAsync<StreamNotFoundException>(async () => await Streams.SetRetentionAsync("nowhere", StreamRetention.Forever, Cancel));
    }

    [Fact]
    public async Task AnotherClientOfTheSameStores_SeesTheSameStreams()
    {
        var store = new InMemoryStreamStore(new MonotonicClock(_clock));
        var state = new StateEngine();
        var here = new StreamCatalog(store, state, _clock);
        var there = new StreamCatalog(store, state, _clock);
        await here.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);
        var stale = await there.OpenPartitionAsync("orders", 1, Cancel);

        await here.DeleteAsync("orders", Cancel);
        _clock.Advance(TimeSpan.FromSeconds(2));
        await here.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);

        Assert.Equal(0, (await (await there.OpenPartitionAsync("orders", 1, Cancel)).GetStatsAsync(Cancel)).EndOffset);
        await Assert.ThrowsAsync<BackendUnavailableException>(async () => await stale.GetStatsAsync(Cancel));
    }

    [Fact]
    public async Task AStreamThatAnotherClientDeletes_IsToldAsGone_AndFoundWhenItIsThereAgain()
    {
        var store = new InMemoryStreamStore(new MonotonicClock(_clock));
        var state = new StateEngine();
        var here = new StreamCatalog(store, state, _clock);
        var there = new StreamCatalog(store, state, _clock);
        await here.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);
        await here.SeekGroupAsync("orders", "g", 1, 0, Cancel);
        Assert.Equal(0, (await there.GetStatsAsync("orders", Cancel)).Records);

        await here.DeleteAsync("orders", Cancel);

        // What the other client knows of the stream is still trusted.
        await Assert.ThrowsAsync<StreamNotFoundException>(async () => await there.GetStatsAsync("orders", Cancel));
        await RecallAsync(here, there);
        await Assert.ThrowsAsync<StreamNotFoundException>(async () => await there.SeekGroupAsync("orders", "g", 1, 0, Cancel));
        await RecallAsync(here, there);
        await here.CreateAsync("orders", new StreamSettings { Partitions = 3 }, Cancel);
        Assert.Equal(3, (await there.GetStatsAsync("orders", Cancel)).Partitions.Count);

        await RecallAsync(here, there);
        await here.CreateAsync("orders", new StreamSettings(), Cancel);
        Assert.Single((await there.GetStatsAsync("orders", Cancel)).Partitions);
        await there.SeekGroupAsync("orders", "g", 0, 0, Cancel);
        await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await there.SeekGroupAsync("orders", "g", 1, 0, Cancel));
    }

    /// <summary>Has the second client know a stream of two partitions, which the first one then deletes.</summary>
    private async Task RecallAsync(StreamCatalog here, StreamCatalog there)
    {
        await here.DeleteAsync("orders", Cancel);
        _clock.Advance(TimeSpan.FromSeconds(2));
        await here.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);
        await there.GetStatsAsync("orders", Cancel);
        await here.DeleteAsync("orders", Cancel);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task Groups_AreMovedListedAndDeleted()
    {
        await Streams.CreateAsync("orders", new StreamSettings { Partitions = 2 }, Cancel);
        await AppendAsync("orders", 5);
        var longName = new string('g', 180);

        await Streams.SeekGroupAsync("orders", "g", 0, 2, Cancel);
        await Streams.SeekGroupAsync("orders", "g", 0, 3, Cancel);
        await Streams.SeekGroupAsync("orders", longName, 1, 0, Cancel);

        Assert.Equal(["g", longName], await Streams.ListGroupsAsync("orders", Cancel));
        var position = Assert.Single(await Streams.GetGroupAsync("orders", "g", Cancel));
        Assert.Equal(new StreamGroupPosition(0, 3, null, 2, 5), position);
        Assert.Equal(2, position.Lag);
        await (await Streams.OpenPartitionAsync("orders", 0, Cancel)).TrimAsync(4, Cancel);
        Assert.Equal(1, Assert.Single(await Streams.GetGroupAsync("orders", "g", Cancel)).Lag);
        Assert.True(await Streams.DeleteGroupAsync("orders", "g", Cancel));
        Assert.False(await Streams.DeleteGroupAsync("orders", "g", Cancel));
        Assert.Equal([longName], await Streams.ListGroupsAsync("orders", Cancel));
    }

    [Fact]
    public async Task SeekGroup_ToWhereNothingIs_IsRefused()
    {
        await Streams.CreateAsync("orders", new StreamSettings(), Cancel);
        await AppendAsync("orders", 5);
        await (await Streams.OpenPartitionAsync("orders", 0, Cancel)).TrimAsync(2, Cancel);

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await Streams.SeekGroupAsync("orders", "g", 0, 6, Cancel));
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await Streams.SeekGroupAsync("orders", "g", 0, 1, Cancel));
    }

    [Fact]
    public async Task Streams_OfABackendWithoutStateAnywhere_SaysWhatToSet()
    {
        var registry = BackendRegistry.CreateDefault();
        registry.Add("lone", (_, context, _) => new ValueTask<Backend>(Backend.Of("lone", new InMemoryStreamStore(new MonotonicClock(context.TimeProvider)))));
        await using var lone = await MillraceClient.OpenAsync("lone:", options => options.Backends = registry, Cancel);
        await using var paired = await MillraceClient.OpenAsync("lone:", options => (options.Backends, options.StateUrl) = (registry, "memory:"), Cancel);

        Assert.Contains("StateUrl", Assert.Throws<MillraceConfigurationException>(() => lone.Streams).Message, StringComparison.Ordinal);
        Assert.True(await paired.Streams.CreateAsync("orders", new StreamSettings(), Cancel));
    }

    private async Task AppendAsync(string stream, int count)
    {
        var partition = await Streams.OpenPartitionAsync(stream, 0, Cancel);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[count]), Cancel);
    }
}
