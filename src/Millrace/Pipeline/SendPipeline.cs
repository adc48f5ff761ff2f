using System.Diagnostics.CodeAnalysis;

namespace Millrace.Pipeline;

/// <summary>What happens to a message between its sender and the store.</summary>
internal static class SendPipeline
{
    /// <summary>The whole way, in order: validate, middleware, trace, serialize, compress, store.</summary>
    public static SendDelegate Compose<[DynamicallyAccessedMembers(MessageType.Members)] T>(PipelineSettings settings, SendDelegate store) =>
        Chain(
            [
                new ValidateOnSend<T>(settings.ValidatorsFor<T>()),
                .. settings.SendMiddleware,
                new TraceOnSend(settings.Telemetry),
                new SerializeOnSend<T>(settings.SerializerFor(typeof(T)), settings.MaxBodyBytes),
                new CompressOnSend(settings.Compression),
            ],
            store);

    private static SendDelegate Chain(ReadOnlySpan<ISendMiddleware> steps, SendDelegate last)
    {
        var chain = last;
        for (var i = steps.Length - 1; i >= 0; i--)
        {
            var (step, next) = (steps[i], chain);
            chain = (context, cancellationToken) => step.InvokeAsync(context, next, cancellationToken);
        }

        return chain;
    }
}
