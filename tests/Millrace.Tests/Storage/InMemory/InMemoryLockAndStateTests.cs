using Millrace.Storage;
using Millrace.Storage.InMemory;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Storage.InMemory;

/// <summary>Locks and state in memory, beyond what their laws say.</summary>
public sealed class InMemoryLockAndStateTests : IAsyncLifetime
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(10);
    private readonly ManualTimeProvider _time = new();
    private Backend _backend = null!;
    private ILockStore _locks = null!;
    private IStateStore _state = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _backend = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext { TimeProvider = _time }, Token);
        _locks = _backend.Require<ILockStore>();
        _state = _backend.Require<IStateStore>();
    }

    public ValueTask DisposeAsync() => _backend.DisposeAsync();

    [Fact]
    public async Task K2_FencingTokens_StartAtTheWallClock_SoThatTheyRiseOverRestarts()
    {
        var grant = await _locks.TryAcquireAsync("l", "a", Lease, Token);

        Assert.Equal((_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond, grant!.FencingToken);
    }

    [Fact]
    public async Task K5_AnExpiry_WakesThoseWhoWait_InTime()
    {
        await _locks.TryAcquireAsync("l", "a", Lease, Token);
        var waiting = _locks.WaitForReleaseAsync("l", Token).AsTask();
        _time.Advance(Lease - TimeSpan.FromMilliseconds(1));
        Assert.False(waiting.IsCompleted);

        _time.Advance(TimeSpan.FromMilliseconds(1));

        await waiting;
        Assert.Null(await _locks.InspectAsync("l", Token));
    }

    [Fact]
    public async Task K5_Renewing_KeepsThemWaiting()
    {
        var grant = await _locks.TryAcquireAsync("l", "a", Lease, Token);
        var waiting = _locks.WaitForReleaseAsync("l", Token).AsTask();
        _time.Advance(Lease / 2);
        Assert.True(await _locks.RenewAsync("l", "a", grant!.FencingToken, Lease, Token));
        _time.Advance(Lease / 2);
        Assert.False(waiting.IsCompleted);

        Assert.True(await _locks.ReleaseAsync("l", "a", grant.FencingToken, Token));

        await waiting;
    }

    [Fact]
    public async Task Disposal_EndsThoseWhoWait()
    {
        await _locks.TryAcquireAsync("l", "a", Lease, Token);
        var forLock = _locks.WaitForReleaseAsync("l", Token).AsTask();
        var forState = _state.WaitForChangeAsync("", 0, Token).AsTask();

        await _backend.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => forLock);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => forState);
    }

    [Fact]
    public async Task V2_KeysAreListed_InTheOrderOfTheirUtf8Bytes()
    {
        // U+FF5E is one unit in UTF-16, above the surrogates of U+1F600; in UTF-8 it comes first.
        string[] keys = ["a", "ab", "b", "é", "\uFF5E", "\U0001F600", "\U0001F601"];
        foreach (var key in keys.Reverse())
        {
            await _state.PutAsync(key, new byte[1], null, Token);
        }

        var listed = new List<string>();
        string? after = null;
        while (await _state.ListAsync("", after, 2, Token) is { Documents.Count: > 0 } page)
        {
            listed.AddRange(page.Documents.Select(document => document.Key));
            after = listed[^1];
        }

        Assert.Equal(keys, listed);
        Assert.Equal(["a", "ab"], (await _state.ListAsync("a", null, 10, Token)).Documents.Select(document => document.Key));
        Assert.Equal(["ab"], (await _state.ListAsync("a", "a", 10, Token)).Documents.Select(document => document.Key));
    }

    [Fact]
    public async Task V3_OtherPrefixes_DoNotWakeAWaiter_UnlessTheChangeIsLongGone()
    {
        var start = (await _state.PutAsync("a/1", new byte[1], null, Token)).Version;
        var waiting = _state.WaitForChangeAsync("a/", start, Token).AsTask();
        await _state.PutAsync("b/1", new byte[1], null, Token);
        Assert.False(waiting.IsCompleted);
        await _state.DeleteAsync("a/1", null, Token);
        var seen = await waiting;
        Assert.True(seen > start);

        for (var i = 0; i < 2000; i++)
        {
            await _state.PutAsync("b/1", new byte[1], null, Token);
        }

        Assert.True(await _state.WaitForChangeAsync("a/", seen, Token) > seen);
    }
}
