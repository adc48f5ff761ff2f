using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.State;

/// <summary>The laws V1–V3 of <see cref="IStateStore"/>. Derive from it to prove a state store.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract class StateConformance<TFixture> : ConformanceSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    // Keys of this test alone, as the store may be shared with others.
    private readonly string _prefix = "s-" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12] + "/";

    private IStateStore Store => Contract<IStateStore>();

    [Fact]
    public async Task V1_ADocument_IsReadAsItWasWritten()
    {
        var value = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        Assert.Null(await GetAsync("k"));
        var written = await PutAsync("k", value, IStateStore.Absent);
        Assert.True(written.Written);
        Assert.True(written.Version > IStateStore.Absent);
        var document = (await GetAsync("k"))!;
        Assert.Equal((_prefix + "k", written.Version), (document.Key, document.Version));
        Assert.Equal(value, document.Value.ToArray());
    }

    [Fact]
    public async Task V1_ThePutWithTheWrongVersion_IsRefusedWithTheCurrentOne()
    {
        var first = await PutAsync("k", "1", IStateStore.Absent);
        Assert.Equal(new StateWriteResult(false, first.Version), await PutAsync("k", "2", IStateStore.Absent));
        Assert.Equal(new StateWriteResult(false, first.Version), await PutAsync("k", "2", first.Version + 1));
        var second = await PutAsync("k", "2", first.Version);
        Assert.True(second.Written);
        Assert.True(second.Version > first.Version);
        Assert.Equal(new StateWriteResult(false, second.Version), await PutAsync("k", "3", first.Version));
        Assert.Equal("2", await TextAsync("k"));
    }

    [Fact]
    public async Task V1_APutThatExpectsADocument_IsRefusedWhereThereIsNone() =>
        Assert.Equal(new StateWriteResult(false, IStateStore.Absent), await PutAsync("k", "1", 17));

    [Fact]
    public async Task V1_APutThatExpectsNothing_WritesWhateverIsThere()
    {
        Assert.True((await PutAsync("k", "1", null)).Written);
        Assert.True((await PutAsync("k", "2", null)).Written);
        Assert.Equal("2", await TextAsync("k"));
    }

    [Fact]
    public async Task V1_Deleting_FollowsTheSameRule()
    {
        var written = await PutAsync("k", "1", IStateStore.Absent);
        Assert.Equal(new StateWriteResult(false, written.Version), await DeleteAsync("k", written.Version + 1));
        Assert.Equal(new StateWriteResult(false, written.Version), await DeleteAsync("k", IStateStore.Absent));
        Assert.NotNull(await GetAsync("k"));
        Assert.True((await DeleteAsync("k", written.Version)).Written);
        Assert.Null(await GetAsync("k"));
    }

    [Fact]
    public async Task V1_DeletingWhatIsNotThere_IsWrittenWhenThatWasExpected()
    {
        Assert.True((await DeleteAsync("k", null)).Written);
        Assert.True((await DeleteAsync("k", IStateStore.Absent)).Written);
        Assert.Equal(new StateWriteResult(false, IStateStore.Absent), await DeleteAsync("k", 17));
        await PutAsync("k", "1", null);
        Assert.True((await DeleteAsync("k", null)).Written);
        Assert.Null(await GetAsync("k"));
    }

    [Fact]
    public async Task V1_Versions_NeverRepeatForAKey_NotEvenAfterADeletion()
    {
        var last = 0L;
        for (var i = 0; i < 5; i++)
        {
            var written = await PutAsync("k", $"{i}", IStateStore.Absent);
            Assert.True(written.Version > last);
            last = written.Version;
            await DeleteAsync("k", null);
            Assert.Equal(new StateWriteResult(false, IStateStore.Absent), await PutAsync("k", "revived", last));
        }
    }

    [Fact]
    public async Task V1_OfManyRivalsForOneVersion_OneWins()
    {
        var version = IStateStore.Absent;
        for (var round = 0; round < 20; round++)
        {
            var expected = version;
            var results = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => PutAsync("k", $"{i}", expected), Cancellation)));
            var winner = Assert.Single(results, result => result.Written);
            Assert.All(results, result => Assert.Equal(winner.Version, result.Version));
            version = winner.Version;
        }
    }

    [Fact]
    public async Task V1_Increments_ByManyWriters_AreNeverLost()
    {
        const int Writers = 4;
        const int Each = 25;
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(
            async () =>
            {
                for (var i = 0; i < Each; i++)
                {
                    StateWriteResult result;
                    do
                    {
                        var current = await GetAsync("counter");
                        var count = current is null ? 0 : int.Parse(Encoding.UTF8.GetString(current.Value.Span), CultureInfo.InvariantCulture);
                        result = await PutAsync("counter", $"{count + 1}", current?.Version ?? IStateStore.Absent);
                    }
                    while (!result.Written);
                }
            },
            Cancellation)));
        Assert.Equal($"{Writers * Each}", await TextAsync("counter"));
    }

    [Fact]
    public async Task V1_TheCallersBuffer_IsNotReadAfterTheCall_AndAReadValueStays()
    {
        var value = "original"u8.ToArray();
        await PutAsync("k", value, null);
        value.AsSpan().Fill((byte)'X');
        var read = (await GetAsync("k"))!;
        await PutAsync("k", "overwritten", null);
        Assert.Equal("original", Encoding.UTF8.GetString(read.Value.Span));
    }

    [Fact]
    public async Task V1_SmallestAndLargestValues_AreKept_AndLargerOnesRefused()
    {
        await PutAsync("empty", "", null);
        Assert.Equal("", await TextAsync("empty"));
        var largest = new byte[IStateStore.MaxValueBytes];
        new Random(3).NextBytes(largest);
        await PutAsync("largest", largest, null);
        Assert.True((await GetAsync("largest"))!.Value.Span.SequenceEqual(largest));
        await Assert.ThrowsAsync<InvalidMessageException>(() => PutAsync("larger", new byte[IStateStore.MaxValueBytes + 1], null));
        Assert.Null(await GetAsync("larger"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\nb")]
    [InlineData("too long")]
    public async Task V1_ABadKey_IsRefused(string key)
    {
        key = key == "too long" ? new string('x', IStateStore.MaxKeyBytes + 1) : key;
        await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Store.PutAsync(key, default, null, Cancellation)));
        await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Store.GetAsync(key, Cancellation)));
        await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Store.DeleteAsync(key, null, Cancellation)));
    }

    [Fact]
    public async Task V1_AWriteCancelledBeforehand_ChangesNothing()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(Store.PutAsync(_prefix + "k", default, null, new CancellationToken(canceled: true))));
        Assert.Null(await GetAsync("k"));
    }

    [Fact]
    public async Task V1_Documents_SurviveACrash()
    {
        RequireReopening();
        var written = await PutAsync("k", "1", null);
        var deleted = await PutAsync("deleted", "1", null);
        await DeleteAsync("deleted", null);
        await CrashAsync();
        Assert.Equal(written.Version, (await GetAsync("k"))!.Version);
        Assert.Equal("1", await TextAsync("k"));
        Assert.Null(await GetAsync("deleted"));
        Assert.True((await PutAsync("deleted", "2", IStateStore.Absent)).Version > deleted.Version);
    }

    [Fact]
    public async Task V2_AList_IsOrderedByTheBytesOfItsKeys_AndHoldsItsPrefixOnly()
    {
        string[] keys = ["b", "a", "B", "a/1", "a%", "ä", "~", "\uFFFD", "🙂", "aa"];
        foreach (var key in keys)
        {
            await PutAsync(key, key, null);
        }

        // In UTF-8, what lies beyond the first plane comes after U+FFFD; in UTF-16 it would come before.
        Assert.Equal(["B", "a", "a%", "a/1", "aa", "b", "~", "ä", "\uFFFD", "🙂"], await ListAsync(""));
        Assert.Equal(["a", "a%", "a/1", "aa"], await ListAsync("a"));
        Assert.Equal(["a%"], await ListAsync("a%"));
        Assert.Empty(await ListAsync("absent"));
    }

    [Fact]
    public async Task V2_AList_ComesInPages()
    {
        var keys = Enumerable.Range(0, 23).Select(i => $"{i:00}").ToArray();
        foreach (var key in keys)
        {
            await PutAsync(key, key, null);
        }

        var seen = new List<string>();
        StatePage page;
        do
        {
            page = await Soon(Store.ListAsync(_prefix, seen.Count == 0 ? null : _prefix + seen[^1], 5, Cancellation));
            Assert.True(page.Documents.Count <= 5);
            seen.AddRange(page.Documents.Select(document => document.Key[_prefix.Length..]));
        }
        while (page.Documents.Count == 5);

        Assert.Equal(keys, seen);
    }

    [Fact]
    public async Task V2_AList_CarriesValuesVersionsAndTheRevision()
    {
        var first = await PutAsync("a", "1", null);
        var second = await PutAsync("b", "2", null);
        await PutAsync("gone", "3", null);
        await DeleteAsync("gone", null);
        var page = await Soon(Store.ListAsync(_prefix, cancellationToken: Cancellation));
        Assert.Equal([first.Version, second.Version], page.Documents.Select(document => document.Version));
        Assert.Equal(["1", "2"], page.Documents.Select(document => Encoding.UTF8.GetString(document.Value.Span)));
        Assert.True(page.Revision >= second.Version);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1001)]
    public async Task V2_ALimitOutOfRange_IsRefused(int limit) =>
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Store.ListAsync(_prefix, null, limit, Cancellation)));

    [Fact]
    public async Task V3_AWaiter_LearnsOfPutsAndDeletions()
    {
        var revision = await RevisionAsync();
        var waiting = WatchAsync(revision);
        await StillWaits(waiting);
        await PutAsync("k", "1", null);
        revision = await Within(TimeSpan.FromSeconds(1), waiting);
        Assert.True(revision >= (await GetAsync("k"))!.Version);

        waiting = WatchAsync(revision);
        await StillWaits(waiting);
        await DeleteAsync("k", null);
        Assert.True(await Within(TimeSpan.FromSeconds(1), waiting) > revision);
    }

    [Fact]
    public async Task V3_AWaiter_ReturnsAtOnceWhenSomethingHasChangedAlready()
    {
        var before = await RevisionAsync();
        var written = await PutAsync("k", "1", null);
        Assert.True(await Soon(WatchAsync(before)) >= written.Version);
        Assert.True(await Soon(WatchAsync(0)) >= written.Version);
        var deleted = await RevisionAsync();
        await DeleteAsync("k", null);
        await Soon(WatchAsync(deleted));
    }

    [Fact]
    public async Task V3_AWaiterThatFollowsItsRevisions_MissesNothing()
    {
        const int Writes = 50;
        var revision = await RevisionAsync();
        var last = Task.Run(
            async () =>
            {
                for (var i = 1; i <= Writes; i++)
                {
                    await PutAsync("k", $"{i}", null);
                }
            },
            Cancellation);
        while (await TextAsync("k") != $"{Writes}")
        {
            revision = await Within(TimeSpan.FromSeconds(1), WatchAsync(revision));
        }

        await last;
    }

    [Fact]
    public async Task V3_AWaiter_CanBeCancelled()
    {
        using var cancellation = new CancellationTokenSource();
        var waiting = Store.WaitForChangeAsync(_prefix, await RevisionAsync(), cancellation.Token).AsTask();
        await StillWaits(waiting);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(waiting));
    }

    [Fact]
    public async Task V3_ManyWaiters_AllLearnOfAChange()
    {
        var revision = await RevisionAsync();
        var waiting = Task.WhenAll(Enumerable.Range(0, 10).Select(_ => WatchAsync(revision)));
        await StillWaits(waiting);
        await PutAsync("k", "1", null);
        await Within(TimeSpan.FromSeconds(1), waiting);
    }

    [Fact]
    public async Task V3_ARefusedWrite_IsNoChange()
    {
        var written = await PutAsync("k", "1", null);
        var revision = await RevisionAsync();
        await PutAsync("k", "2", written.Version + 1000);
        Assert.Equal(written.Version, (await GetAsync("k"))!.Version);
        var page = await Soon(Store.ListAsync(_prefix, cancellationToken: Cancellation));
        Assert.Equal(revision, page.Revision);
    }

    private async Task<long> RevisionAsync() => (await Soon(Store.ListAsync(_prefix, cancellationToken: Cancellation))).Revision;

    private Task<long> WatchAsync(long revision) => Store.WaitForChangeAsync(_prefix, revision, Cancellation).AsTask();

    private Task<StateDocument?> GetAsync(string key) => Soon(Store.GetAsync(_prefix + key, Cancellation));

    private async Task<string?> TextAsync(string key) => await GetAsync(key) is { } document ? Encoding.UTF8.GetString(document.Value.Span) : null;

    private Task<StateWriteResult> PutAsync(string key, string value, long? expected) => PutAsync(key, Encoding.UTF8.GetBytes(value), expected);

    private Task<StateWriteResult> PutAsync(string key, byte[] value, long? expected) => Soon(Store.PutAsync(_prefix + key, value, expected, Cancellation));

    private Task<StateWriteResult> DeleteAsync(string key, long? expected) => Soon(Store.DeleteAsync(_prefix + key, expected, Cancellation));

    private async Task<string[]> ListAsync(string prefix) =>
        [.. (await Soon(Store.ListAsync(_prefix + prefix, cancellationToken: Cancellation))).Documents.Select(document => document.Key[_prefix.Length..])];
}
