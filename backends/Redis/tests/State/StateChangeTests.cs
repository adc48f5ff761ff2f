using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.State;

/// <summary>Waiting for changes of state when connections are cut, and versions when data is lost.</summary>
public sealed class StateChangeTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Waiting_AcrossCuts_MissesNoChange()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var here = await OpenAsync(server);
        await using var there = await OpenAsync(server);
        var revision = (await here.State!.ListAsync("a/", cancellationToken: Cancellation)).Revision;
        for (var round = 0; round < 20; round++)
        {
            var waiting = here.State!.WaitForChangeAsync("a/", revision, Cancellation).AsTask();
            await server.ExecuteAsync(["CLIENT", "KILL", "TYPE", "pubsub"], Cancellation);
            var written = await there.State!.PutAsync("a/k", new byte[] { 1 }, null, Cancellation);
            while (revision < written.Version)
            {
                revision = await waiting.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Cancellation);
                waiting = revision < written.Version ? here.State!.WaitForChangeAsync("a/", revision, Cancellation).AsTask() : waiting;
            }
        }
    }

    [Fact]
    public async Task Waiting_ForOnePrefix_IsNotWokenByOthers()
    {
        var server = await RedisFixture.Server;
        await using var backend = await OpenAsync(server, "prefix=prefixes");
        var state = backend.State!;
        await state.PutAsync("b/k", new byte[] { 1 }, null, Cancellation);

        // The first wait begins to listen: what was changed before is not known by key.
        await state.WaitForChangeAsync("a/", 0, Cancellation);
        var revision = (await state.ListAsync("a/", cancellationToken: Cancellation)).Revision;
        var waiting = state.WaitForChangeAsync("a/", revision, Cancellation).AsTask();
        for (var i = 0; i < 50; i++)
        {
            await state.PutAsync("b/k", new byte[] { 1 }, null, Cancellation);
        }

        Assert.False(waiting.IsCompleted);
        await state.PutAsync("a/k", new byte[] { 1 }, null, Cancellation);
        Assert.True(await waiting > revision);
    }

    [Fact]
    public async Task Versions_RiseAlsoWhereTheDataWasLost()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server);
        var lost = await backend.State!.PutAsync("k", new byte[] { 1 }, null, Cancellation);
        await server.RestartAsync(Cancellation);
        Assert.Null(await backend.State!.GetAsync("k", Cancellation));
        var anew = await backend.State!.PutAsync("k", new byte[] { 2 }, IStateStore.Absent, Cancellation);
        Assert.True(anew.Version > lost.Version);
        Assert.False((await backend.State!.PutAsync("k", new byte[] { 3 }, lost.Version, Cancellation)).Written);
    }

    [Fact]
    public async Task FencingTokens_RiseAlsoWhereTheDataWasLost()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server);
        var lost = await backend.Locks!.TryAcquireAsync("l", "a", TimeSpan.FromMinutes(1), Cancellation);
        await server.RestartAsync(Cancellation);
        Assert.Null(await backend.Locks!.InspectAsync("l", Cancellation));
        var anew = await backend.Locks!.TryAcquireAsync("l", "b", TimeSpan.FromMinutes(1), Cancellation);
        Assert.True(anew!.FencingToken > lost!.FencingToken);
        Assert.False(await backend.Locks!.ReleaseAsync("l", "a", lost.FencingToken, Cancellation));
    }

    [Fact]
    public async Task LockWaiters_AcrossACut_LearnOfTheRelease()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var here = await OpenAsync(server);
        await using var there = await OpenAsync(server);
        for (var round = 0; round < 10; round++)
        {
            var grant = await there.Locks!.TryAcquireAsync("l", "b", TimeSpan.FromMinutes(10), Cancellation);
            var waiting = here.Locks!.WaitForReleaseAsync("l", Cancellation).AsTask();
            await server.ExecuteAsync(["CLIENT", "KILL", "TYPE", "pubsub"], Cancellation);
            Assert.True(await there.Locks!.ReleaseAsync("l", "b", grant!.FencingToken, Cancellation));
            await waiting.WaitAsync(TimeSpan.FromSeconds(9), TimeProvider.System, Cancellation);
        }
    }

    private static ValueTask<Backend> OpenAsync(LocalRedis server, string options = "") =>
        RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?{options}"), new BackendContext(), Cancellation);
}
