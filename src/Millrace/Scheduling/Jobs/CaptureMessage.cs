using Millrace.Pipeline;

namespace Millrace.Scheduling.Jobs;

/// <summary>The end of the sending of a message that is not stored yet, but kept inside another one.</summary>
internal static class CaptureMessage
{
    public static Task InvokeAsync(SendContext context, CancellationToken cancellationToken) => Task.CompletedTask;
}
