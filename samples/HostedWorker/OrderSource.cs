using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Millrace;
using Millrace.Client;

namespace HostedWorker;

/// <summary>Sends some orders when the host has started, as a web request elsewhere would.</summary>
internal sealed class OrderSource(QueueClient<OrderPlaced> orders, ILogger<OrderSource> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // One customer's orders bear one key: they are handled one at a time, in order.
        var batch = Enumerable.Range(1, 5).Select(i => new OrderPlaced($"A-{i}", i < 5 ? "bolt" : "gear", i));
        await orders.SendBatchAsync(batch, order => new SendOptions { Id = order.Number, Key = order.Article }, stoppingToken);
        try
        {
            await orders.SendAsync(new OrderPlaced("A-6", "bolt", 1000), cancellationToken: stoppingToken);
        }
        catch (MessageValidationException refusal)
        {
            logger.Refused(refusal.Message);
        }
    }
}
