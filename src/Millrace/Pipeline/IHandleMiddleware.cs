namespace Millrace.Pipeline;

/// <summary>The rest of the handling pipeline: what is left of the middleware, then the handler.</summary>
public delegate Task HandleDelegate(MessageContext context, CancellationToken cancellationToken);

/// <summary>
/// A step around the handling of one attempt at a message, which has been read and validated. It may replace the message for the handler, time it, catch its faults,
/// or return without calling <c>next</c>: the message then counts as handled. What it throws fails the attempt. Safe for concurrent use.
/// </summary>
public interface IHandleMiddleware
{
    /// <summary>Does its work around <paramref name="next"/>.</summary>
    Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken);
}
