using Microsoft.Extensions.Logging;
using Millrace.Pipeline;

namespace HostedWorker;

/// <summary>A step around every handler.</summary>
internal sealed partial class TimingMiddleware(TimeProvider timeProvider, ILogger<TimingMiddleware> logger) : IHandleMiddleware
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
            Took(context.Id, timeProvider.GetElapsedTime(startedAt).TotalMilliseconds);
        }
    }

    [LoggerMessage(LogLevel.Information, "Message {Id} took {Milliseconds:0.0} ms")]
    private partial void Took(Millrace.MessageId id, double milliseconds);
}
