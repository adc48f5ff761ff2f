using Millrace.Serialization;

namespace Millrace.Pipeline;

/// <summary>Compresses bodies from a size on, and says so in a header.</summary>
internal sealed class CompressOnSend(CompressionRule? rule) : ISendMiddleware
{
    public Task InvokeAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken)
    {
        if (rule is not null)
        {
            foreach (var message in context.Outgoing)
            {
                // A body that its sender has compressed itself says so, and stays as it is.
                if (!message.IsSuppressed
                    && message.Encoded.End.Value - message.Encoded.Start.Value >= rule.ThresholdBytes
                    && !message.Headers.ContainsKey(BodyCompression.EncodingHeader)
                    && BodyCompression.Compress(context.Bodies, message.Encoded, rule.Codec) is { } compressed)
                {
                    message.Encoded = compressed;
                    message.Headers = message.Headers.With(BodyCompression.EncodingHeader, BodyCompression.NameOf(rule.Codec));
                }
            }
        }

        return next(context, cancellationToken);
    }
}
