using Microsoft.Extensions.Logging;
using Millrace.Pipeline;

namespace HostedWorker;

/// <summary>A step around every handler.</summary>
internal sealed class TimingMiddleware(TimeProvider timeProvider, ILogger<TimingMiddleware> logger) : IHandleMiddleware
{
    public async Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken)
    {
        var startedAt = timeProvider.GetTimestamp();
        try
        {
            await next(context, cancellationToken);
        }
        finally
        {
            logger.Took(context.Id, timeProvider.GetElapsedTime(startedAt).TotalMilliseconds);
        }
    }
}
