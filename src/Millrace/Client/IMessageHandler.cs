using Millrace.Pipeline;

namespace Millrace.Client;

/// <summary>Handles messages of one type. In a host, a new one is made for every attempt, from that attempt's scope of services.</summary>
/// <typeparam name="T">The type of the messages.</typeparam>
public interface IMessageHandler<in T>
{
    /// <summary>
    /// Handles one message. Returning completes it, unless <see cref="MessageContext.Result"/> says otherwise; an exception fails the attempt, and the worker's
    /// retry policy decides what follows.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="context">Its circumstances.</param>
    /// <param name="cancellationToken">Ends when the lease is lost, the attempt takes too long, or the host stops waiting.</param>
    Task HandleAsync(T message, MessageContext context, CancellationToken cancellationToken);
}
