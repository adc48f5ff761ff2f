using Millrace.Serialization;

namespace Millrace.Pipeline;

/// <summary>Turns bytes into a message, by the content type that they came with and the type that the handler takes.</summary>
internal sealed class DeserializeOnHandle<T>(MessageSerializers serializers, IMessageSerializer writer) : IHandleMiddleware
{
    public Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken)
    {
        context.Body = Deserialize(context)!;
        return next(context, cancellationToken);
    }

    private T Deserialize(MessageContext context)
    {
        var contentType = context.Message.ContentType;
        var serializer = serializers.ForReading(typeof(T), contentType, writer);
        try
        {
            return serializer.Deserialize<T>(context.Bytes);
        }
        catch (Exception exception) when (exception is not (MillraceException or OutOfMemoryException))
        {
            throw new MessageSerializationException(
                $"The body ({context.Bytes.Length:N0} bytes, {contentType ?? serializer.ContentType}) cannot be read as {typeof(T).Name}: {exception.Message}", contentType, exception);
        }
    }
}
