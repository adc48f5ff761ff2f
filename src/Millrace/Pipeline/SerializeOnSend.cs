using Millrace.Serialization;

namespace Millrace.Pipeline;

/// <summary>Turns messages into bytes.</summary>
internal sealed class SerializeOnSend<T>(IMessageSerializer serializer, int maxBodyBytes) : ISendMiddleware
{
    public Task InvokeAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken)
    {
        foreach (var message in context.Outgoing)
        {
            if (!message.IsSuppressed)
            {
                Serialize((OutgoingMessage<T>)message, context.Bodies);
            }
        }

        return next(context, cancellationToken);
    }

    private void Serialize(OutgoingMessage<T> message, PooledBuffer bodies)
    {
        var start = bodies.WrittenBytes;
        try
        {
            serializer.Serialize(message.Message, bodies);
        }
        catch (Exception exception) when (exception is not (MillraceException or OutOfMemoryException))
        {
            throw new MessageSerializationException(
                $"The message of type {typeof(T).Name} cannot be written as {serializer.ContentType}: {exception.Message}", serializer.ContentType, exception);
        }

        message.Encoded = start..bodies.WrittenBytes;
        message.ContentType = serializer.ContentType;

        // A receiver would refuse to unpack more, so a sender must not pack it.
        if (bodies.WrittenBytes - start > maxBodyBytes)
        {
            throw new InvalidMessageException($"The message was refused: its body has {bodies.WrittenBytes - start:N0} bytes, the limit of this client is {maxBodyBytes:N0} (MaxBodyBytes).");
        }
    }
}
