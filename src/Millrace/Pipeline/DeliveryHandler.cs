using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Queues;
using Millrace.Storage;

namespace Millrace.Pipeline;

/// <summary>Runs the handling pipeline for deliveries of one queue, each in a scope of services of its own. Safe for concurrent use.</summary>
internal sealed class DeliveryHandler(string queue, Type bodyType, HandleDelegate pipeline, IServiceScopeFactory? scopes, ILoggerFactory loggerFactory)
{
    private readonly ILogger _logger = loggerFactory.CreateLogger("Millrace.Pipeline.Handle");

    /// <summary>Handles one attempt and says how it is to be settled. A message that cannot be read or is not valid is dead-lettered at once: repeating cannot mend it.</summary>
    public async ValueTask<HandlingResult> HandleAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        if (scopes is null)
        {
            return await HandleAsync(delivery, NoServices.Instance, cancellationToken).ConfigureAwait(false);
        }

        var scope = scopes.CreateAsyncScope();
        await using (scope.ConfigureAwait(false))
        {
            return await HandleAsync(delivery, scope.ServiceProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<HandlingResult> HandleAsync(Delivery delivery, IServiceProvider services, CancellationToken cancellationToken)
    {
        var context = new MessageContext(queue, delivery, services, cancellationToken) { BodyType = bodyType };
        try
        {
            await pipeline(context, cancellationToken).ConfigureAwait(false);
            return context.Result;
        }
        catch (MessageSerializationException exception) when (!context.IsAccepted)
        {
            return Refuse(context, MessageSerializationException.DeadLetterReason, exception);
        }
        catch (MessageValidationException exception) when (!context.IsAccepted)
        {
            return Refuse(context, MessageValidationException.DeadLetterReason, exception);
        }
    }

    private HandlingResult Refuse(MessageContext context, string reason, MillraceException exception)
    {
        _logger.MessageRefused(context.Id, queue, reason, exception.Message);
        return HandlingResult.DeadLetter(reason, exception.Message);
    }
}
