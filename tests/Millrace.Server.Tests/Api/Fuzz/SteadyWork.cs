using Millrace.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Api.Fuzz;

/// <summary>Valid work on a queue that nobody else knows, through a client of the server, while others send it nonsense.</summary>
internal sealed class SteadyWork(ApiHost host)
{
    private const string Queue = "steady";
    private const int Batch = 20;

    public int Completed { get; private set; }

    /// <summary>Sends, leases and completes until it is told to stop; then whatever is left. Fails when a message is lost or completed twice.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var client = await MillraceClient.OpenAsync(host.Address.ToString(), cancellationToken: cancellation);
        var store = client.Require<IQueueStore>();
        await using var receiver = await store.OpenReceiverAsync(Queue, new ReceiverOptions { LeaseDuration = TimeSpan.FromMinutes(10) }, cancellation);
        var open = new HashSet<string>(StringComparer.Ordinal);
        for (var round = 0; !stopping.IsCancellationRequested || open.Count > 0; round++)
        {
            if (!stopping.IsCancellationRequested)
            {
                var messages = Enumerable.Range(0, Batch).Select(i => new Envelope("x"u8.ToArray()) { Id = $"{round}-{i}" }).ToArray();
                await store.EnqueueAsync(Queue, messages, new EnqueueResult[Batch], cancellation);
                open.UnionWith(messages.Select(message => message.Id.ToString()));
            }

            var deliveries = new Delivery[Batch];
            var count = await receiver.LeaseAsync(deliveries, TimeSpan.FromSeconds(20), cancellation);
            Assert.True(count > 0, $"{open.Count} messages are lost.");
            var results = new SettleResult[count];
            await store.SettleAsync(Queue, deliveries.Take(count).Select(delivery => Settlement.Complete(delivery.Token)).ToArray(), results, cancellation);
            for (var i = 0; i < count; i++)
            {
                // A receiver that was closed as idle in between has lost its leases: those messages come again.
                if (results[i] == SettleResult.Settled)
                {
                    Assert.True(open.Remove(deliveries[i].Message.Id.ToString()), $"{deliveries[i].Message.Id} was completed twice.");
                    Completed++;
                }
            }
        }
    }
}
