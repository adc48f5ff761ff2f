using System.Buffers.Binary;
using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Redis.Tests.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Queues;

/// <summary>Queues whose state another version, or another program, has written.</summary>
public sealed class DamagedQueueTests
{
    private readonly string _prefix = "d" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];
    private readonly Delivery[] _deliveries = new Delivery[5];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("newer", "newer version")]
    [InlineData("short", "has 7 bytes")]
    [InlineData("garbled", "damaged")]
    [InlineData("list", "of another type")]
    public async Task Queue_WithAStateThatCannotBeRead_IsNamed_AndTheOthersGoOn(string damage, string reason)
    {
        await using var backend = await OpenAsync();
        var queues = backend.Queues!;
        var admin = backend.Require<IQueueAdmin>();
        await SendAsync(backend, "a", "ver", "z");
        await using var receiver = await queues.OpenReceiverAsync("ver", new ReceiverOptions(), Cancellation);
        Assert.Equal(1, await receiver.LeaseAsync(_deliveries, TimeSpan.Zero, Cancellation));
        await DamageAsync(damage);

        // Somebody else, who has not seen it whole.
        await using var other = await OpenAsync();
        Func<Task>[] actions =
        [
            () => SendAsync(backend, "ver"),
            () => SendAsync(other, "ver"),
            async () => await other.Queues!.OpenReceiverAsync("ver", new ReceiverOptions(), Cancellation),
            async () => await receiver.LeaseAsync(_deliveries.AsMemory(1), TimeSpan.Zero, Cancellation),
            async () => await receiver.RenewAsync(Cancellation),
            async () => await queues.SettleAsync("ver", new[] { Settlement.Complete(_deliveries[0].Token) }, default, Cancellation),
            async () => await admin.GetStatsAsync("ver", Cancellation),
            async () => await admin.GetStatsAsync("ver!dead", Cancellation),
            async () => await admin.PurgeAsync("ver", Cancellation),
            async () => await admin.DeleteQueueAsync("ver", Cancellation),
            async () => await admin.CreateQueueAsync("ver", QueueSettings.Default, Cancellation),
            async () => await backend.Require<IQueueTransactions>().CommitAsync(new QueueTransaction().Enqueue("a", Make()).Enqueue("ver", Make()), Cancellation),
        ];
        foreach (var action in actions)
        {
            var fault = await Assert.ThrowsAsync<StorageCorruptException>(action);
            Assert.Contains("'ver'", fault.Message, StringComparison.Ordinal);
            Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        }

        Assert.Equal(["a", "ver", "z"], await admin.ListQueuesAsync(cancellationToken: Cancellation));
        await SendAsync(backend, "a", "z");
        Assert.Equal((2, 2), ((await admin.GetStatsAsync("a", Cancellation)).Ready, (await admin.GetStatsAsync("z", Cancellation)).Ready));
    }

    private static Envelope Make() => new(new byte[10]);

    private static async Task SendAsync(Backend backend, params string[] queues)
    {
        foreach (var queue in queues)
        {
            await backend.Queues!.EnqueueAsync(queue, new[] { Make() }, default, Cancellation);
        }
    }

    private async Task DamageAsync(string damage)
    {
        await using var hand = await RedisClients.OpenAsync($"redis://{(await RedisFixture.Server).EndPoint}", Cancellation);
        var key = $"{{{_prefix}:queue:ver}}:queue";
        var version = new byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleLittleEndian(version, damage == "newer" ? 2 : 0.5);
        if (damage == "list")
        {
            await hand.ExecuteAsync("DEL", key);
            await hand.ExecuteAsync("RPUSH", key, "x");
        }
        else
        {
            await hand.ExecuteAsync(damage == "short"
                ? RedisCommand.Create("SET").AddKey(key).Add("garbage")
                : RedisCommand.Create("SETRANGE").AddKey(key).Add(0).Add(version), Cancellation);
        }
    }

    private async Task<Backend> OpenAsync() =>
        await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{(await RedisFixture.Server).EndPoint}?prefix={_prefix}"), new BackendContext(), Cancellation);
}
