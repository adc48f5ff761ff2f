using Millrace.Pipeline;

namespace Millrace.Scheduling.Jobs;

/// <summary>The end of a job's way: its work.</summary>
internal static class RunJob
{
    public static Task InvokeAsync(MessageContext context, CancellationToken cancellationToken) =>
        context.Job!.Bound.Type.RunAsync(context.Body, context.Job, cancellationToken);
}
