namespace Millrace.Pipeline;

/// <summary>The rest of the sending pipeline: what is left of the middleware, then serializing, compressing and storing.</summary>
public delegate Task SendDelegate(SendContext context, CancellationToken cancellationToken);

/// <summary>
/// A step around the sending of messages. It sees one send call as a whole: the one message, or all messages of a batch, which are stored together or not at all.
/// It may change messages and headers, suppress messages, and look at the outcome after <c>next</c> has returned. Safe for concurrent use.
/// </summary>
public interface ISendMiddleware
{
    /// <summary>Does its work around <paramref name="next"/>. A middleware that does not call it suppresses the whole send.</summary>
    Task InvokeAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken);
}
