using System.Diagnostics.CodeAnalysis;

namespace Millrace.Pipeline;

/// <summary>What happens to a message between its delivery and its handler. The worker settles it by how this ends.</summary>
internal static class HandlePipeline
{
    /// <summary>The whole way, in order: trace, decompress, deserialize, validate, middleware, handler.</summary>
    public static HandleDelegate Compose<[DynamicallyAccessedMembers(MessageType.Members)] T>(PipelineSettings settings, HandleDelegate handler) =>
        Chain(
            [
                new TraceOnHandle(settings.Telemetry),
                new DecompressOnHandle(settings.MaxBodyBytes),
                new DeserializeOnHandle<T>(settings.Serializers, settings.SerializerFor(typeof(T))),
                new ValidateOnHandle<T>(settings.ValidatorsFor<T>()),
                .. settings.HandleMiddleware,
            ],
            handler);

    private static HandleDelegate Chain(ReadOnlySpan<IHandleMiddleware> steps, HandleDelegate last)
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
