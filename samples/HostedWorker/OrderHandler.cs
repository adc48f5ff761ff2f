using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Pipeline;

namespace HostedWorker;

/// <summary>Handles one order; made anew for each attempt, from the services of its scope.</summary>
internal sealed partial class OrderHandler(Stock stock, ILogger<OrderHandler> logger) : IMessageHandler<OrderPlaced>
{
    public Task HandleAsync(OrderPlaced message, MessageContext context, CancellationToken cancellationToken)
    {
        // An external service that fails now and then: the policy repeats it.
        if (context.Attempt == 1 && message.Quantity % 2 == 0)
        {
            throw new TimeoutException("The warehouse did not answer.");
        }

        var left = stock.Take(message.Article, message.Quantity);
        Shipped(message.Number, message.Quantity, message.Article, left, context.Attempt);
        return Task.CompletedTask;
    }

    [LoggerMessage(LogLevel.Information, "Order {Number}: {Quantity} × {Article} shipped, {Left} left (attempt {Attempt})")]
    private partial void Shipped(string number, int quantity, string article, int left, int attempt);
}
