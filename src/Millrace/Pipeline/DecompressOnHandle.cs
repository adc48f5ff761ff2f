using Millrace.Serialization;

namespace Millrace.Pipeline;

/// <summary>Unpacks a compressed body, within a bound.</summary>
internal sealed class DecompressOnHandle(int maxBodyBytes) : IHandleMiddleware
{
    public Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken)
    {
        context.Bytes = context.Headers.TryGetValue(BodyCompression.EncodingHeader, out var encoding)
            ? BodyCompression.Decompress(encoding, context.Message.Body, maxBodyBytes)
            : context.Message.Body;
        return next(context, cancellationToken);
    }
}
