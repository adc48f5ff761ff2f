using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Pipeline;

namespace HostedWorker;

/// <summary>Handles one order; made anew for each attempt, from the services of its scope.</summary>
internal sealed class OrderHandler(Stock stock, ILogger<OrderHandler> logger) : IMessageHandler<OrderPlaced>
{
    public Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        // An external service that fails now and then: the policy repeats it.
        if (context.Attempt == 1 && message.Quantity % 2 == 0)
        {
            throw new TimeoutException("The warehouse did not answer.");
        }

        var left = stock.Take(message.Article, message.Quantity);
        logger.Shipped(message.Number, message.Quantity, message.Article, left, context.Attempt);
        return Task.CompletedTask;
    }
}
