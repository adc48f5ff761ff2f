using System.Diagnostics.CodeAnalysis;
using Millrace.Scheduling.Jobs;

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

    /// <summary>The whole way of a job's message, in order: trace, decompress, deserialize by the job's name, validate, middleware, run.</summary>
    public static HandleDelegate ComposeForJobs(PipelineSettings settings) =>
        Chain(
            [
                new TraceOnHandle(settings.Telemetry),
                new DecompressOnHandle(settings.MaxBodyBytes),
                new DeserializeJob(),
                new ValidateJob(),
                .. settings.HandleMiddleware,
            ],
            RunJob.InvokeAsync);

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
