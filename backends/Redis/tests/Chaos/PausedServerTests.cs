using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>A server that stands still for longer than a command may take, and then goes on.</summary>
public sealed class PausedServerTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromMilliseconds(500);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static int Rounds => TestScale.IsFull ? 10 : 2;

    [Fact]
    public async Task Server_PausedUnderLoad_FatesAreUnknown_AndEverythingGoesOn()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server, "timeoutMs=1000");
        var run = new ChaosRun(backend, TestScale.Seed());
        await run.RunAsync(async () =>
        {
            for (var round = 0; round < Rounds; round++)
            {
                await run.WaitForMoreAsync(200);
                await server.PauseAsync(Cancellation);
                await run.WaitForFaultsAsync();
                await server.ResumeAsync(Cancellation);
            }

            await run.WaitForMoreAsync(200);
        });

        await run.FinishAsync(mayLose: false);
    }

    [Fact]
    public async Task Leases_OfAServerPausedForLonger_AreLost_AndReported()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server, "timeoutMs=1000");
        var queues = backend.Queues!;
        await queues.EnqueueAsync("q", Enumerable.Range(0, 10).Select(i => new Envelope(new[] { (byte)i })).ToArray(), default, Cancellation);
        await using var receiver = await queues.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = Lease }, Cancellation);
        var held = new Delivery[10];
        Assert.Equal(10, await receiver.LeaseAsync(held, TimeSpan.Zero, Cancellation));

        await server.PauseAsync(Cancellation);
        var unanswered = await Assert.ThrowsAsync<BackendUnavailableException>(() => receiver.RenewAsync(Cancellation).AsTask());
        Assert.True(unanswered.IsTransient);
        await Task.Delay(Lease, TimeProvider.System, Cancellation);
        await server.ResumeAsync(Cancellation);

        // The server has read the late renewals after the leases had ended, so they have changed nothing.
        var lost = await RepeatAsync(() => receiver.RenewAsync(Cancellation));
        Assert.Equal(held.Select(delivery => delivery.Token).Order(TokenOrder), lost.Order(TokenOrder));
        var results = new SettleResult[10];
        await queues.SettleAsync("q", Array.ConvertAll(held, delivery => Settlement.Complete(delivery.Token)), results, Cancellation);
        Assert.All(results, result => Assert.Equal(SettleResult.LeaseLost, result));

        var again = new Delivery[10];
        Assert.Equal(10, await receiver.LeaseAsync(again, TimeSpan.Zero, Cancellation));
        Assert.All(again, delivery => Assert.Equal((2, true), (delivery.Attempt, delivery.Redelivered)));
        Assert.Equal(Enumerable.Range(0, 10), again.Select(delivery => (int)delivery.Message.Body.Span[0]));
    }

    private static Comparer<LeaseToken> TokenOrder { get; } = Comparer<LeaseToken>.Create((a, b) => string.CompareOrdinal(a.ToString(), b.ToString()));

    private static async Task<T> RepeatAsync<T>(Func<ValueTask<T>> call)
    {
        while (true)
        {
            try
            {
                return await call();
            }
            catch (BackendUnavailableException)
            {
                // The connection that stood still is replaced.
            }
        }
    }

    private static async Task<Backend> OpenAsync(LocalRedis server, string options) =>
        await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?{options}"), new BackendContext(), Cancellation);
}
