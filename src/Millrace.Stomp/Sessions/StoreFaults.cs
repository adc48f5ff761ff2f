using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>Tells clients of faults of the store, without paths and other particulars of the node.</summary>
internal static class StoreFaults
{
    /// <summary>What a client is told.</summary>
    /// <param name="exception">The fault.</param>
    /// <param name="what">What was being done, such as <c>the message</c>.</param>
    public static StompFault Describe(Exception exception, string what) => exception switch
    {
        StompFaultException fault => fault.Fault,
        QueueFullException => new StompFault("queue full", exception.Message),
        InvalidMessageException => new StompFault("message refused", exception.Message),
        InvalidNameException => new StompFault("invalid destination", exception.Message),
        StreamNotFoundException missing => new StompFault("no such stream", $"There is no stream '{missing.Stream}'. Create it first, with 'millrace stream create' or PUT streams/NAME of the HTTP API."),
        OffsetOutOfRangeException => new StompFault("offset out of range", exception.Message),
        QueueNotFoundException => new StompFault("no such queue", exception.Message),
        BackendCapabilityException => new StompFault("not supported", exception.Message),
        BackendUnavailableException unavailable => new StompFault(
            "store unavailable",
            unavailable.MayHaveBeenApplied
                ? $"The store stopped answering while it had {what}: whether it was stored is not known. Send again with the same x-message-id to have it once."
                : CannotNow(what)),
        MillraceException { IsTransient: true } => new StompFault("store unavailable", CannotNow(what)),
        BackendErrorException => new StompFault("store refused", $"The store has answered {what} with an error, which the log of the broker has."),
        AccessDeniedException => new StompFault("access denied", $"The store does not let this broker do that with {what}."),
        _ => new StompFault("internal error", $"The broker failed at {what}. Its log says more."),
    };

    /// <summary>Whether the log should have the exception itself, because the client is not told what it says.</summary>
    public static bool IsForLog(Exception exception) => exception is not (StompFaultException or QueueFullException or InvalidMessageException or InvalidNameException
        or StreamNotFoundException or OffsetOutOfRangeException or QueueNotFoundException or BackendCapabilityException);

    private static string CannotNow(string what) => $"The store cannot take {what} now: try again later.";
}
