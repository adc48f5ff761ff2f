using System.Globalization;

namespace Millrace.Storage.Http.Wire;

/// <summary>Which exception is which problem, both ways, so that a caller of a remote store catches what a caller of a local one would.</summary>
internal static class ProblemMap
{
    public const string InvalidRequest = "invalid-request";
    public const string InvalidName = "invalid-name";
    public const string InvalidMessage = "invalid-message";
    public const string InvalidSettings = "invalid-settings";
    public const string InvalidSchedule = "invalid-schedule";
    public const string Unauthorized = "unauthorized";
    public const string Forbidden = "forbidden";
    public const string CrossOrigin = "cross-origin";
    public const string HostNotAllowed = "host-not-allowed";
    public const string TooManyFailures = "too-many-failures";
    public const string Busy = "busy";
    public const string NotFound = "not-found";
    public const string QueueNotFound = "queue-not-found";
    public const string StreamNotFound = "stream-not-found";
    public const string ScheduleNotFound = "schedule-not-found";
    public const string PartitionNotFound = "partition-not-found";
    public const string GroupNotFound = "group-not-found";
    public const string MessageNotFound = "message-not-found";
    public const string ReceiverNotFound = "receiver-not-found";
    public const string StateNotFound = "state-not-found";
    public const string LockNotHeld = "lock-not-held";
    public const string MethodNotAllowed = "method-not-allowed";
    public const string RequestTimeout = "request-timeout";
    public const string MessageLeased = "message-leased";
    public const string LockHeld = "lock-held";
    public const string StreamMismatch = "stream-mismatch";
    public const string OffsetOutOfRange = "offset-out-of-range";
    public const string VersionMismatch = "version-mismatch";
    public const string RequestTooLarge = "request-too-large";
    public const string UnsupportedMediaType = "unsupported-media-type";
    public const string TooManyOpen = "too-many-open";
    public const string QueueFull = "queue-full";
    public const string NotSupported = "not-supported";
    public const string StorageCorrupt = "storage-corrupt";
    public const string Unavailable = "unavailable";
    public const string BackendError = "backend-error";

    private const int MaxShown = 256;

    /// <summary>The problem of a fault that is expected of clients and stores; null for one that is a defect of the server.</summary>
    public static WireProblem? Of(Exception exception) => exception switch
    {
        WireFormatException => new(InvalidRequest, 400, "The request cannot be read", exception.Message),
        InvalidNameException invalid => new(InvalidName, 400, "A name is not valid", invalid.Message) { Subject = Shown(invalid.Name), Kind = invalid.Kind, Reason = invalid.Reason },
        InvalidMessageException => new(InvalidMessage, 400, "A message is not valid", exception.Message),
        AccessDeniedException => new(Forbidden, 403, "Not allowed", exception.Message),
        QueueNotFoundException missing => new(QueueNotFound, 404, "There is no such queue", missing.Message) { Subject = missing.Queue },
        StreamNotFoundException missing => new(StreamNotFound, 404, "There is no such stream", missing.Message) { Subject = missing.Stream },
        StreamMismatchException => new(StreamMismatch, 409, "The stream is another", exception.Message),
        OffsetOutOfRangeException trimmed => new(OffsetOutOfRange, 410, "The offset has been trimmed", trimmed.Message)
        {
            Subject = trimmed.Stream,
            Trimmed = new(trimmed.Partition, trimmed.Offset, trimmed.Earliest),
        },
        QueueFullException full => new(QueueFull, 429, "The queue is full", full.Message) { Subject = full.Queue, Reason = full.Bound, IsTransient = true },
        BackendCapabilityException lacking => new(NotSupported, 501, "The backend cannot do this", lacking.Message)
        {
            Subject = lacking.Backend,
            Kind = lacking.Capability,
            Available = lacking.Available,
        },
        MillraceConfigurationException => new(InvalidSettings, 400, "A setting is not valid", exception.Message),
        StorageCorruptException { ResumeOffset: { } resume } => new(StorageCorrupt, 503, "The stored data is damaged", exception.Message) { ResumeOffset = resume },
        StorageCorruptException => new(StorageCorrupt, 503, "The stored data is damaged", "The stored data is damaged; the server's log says where."),
        BackendUnavailableException unavailable => new(Unavailable, 503, "The backend is not available", unavailable.Message)
        {
            IsTransient = true,
            MayHaveBeenApplied = unavailable.MayHaveBeenApplied,
        },
        MillraceException { IsTransient: true } => new(Unavailable, 503, "The backend is not available", exception.Message) { IsTransient = true },
        BackendErrorException => new(BackendError, 502, "The backend answers with an error", exception.Message),
        ObjectDisposedException => new(Unavailable, 503, "The server is stopping", "The server is stopping; ask again.") { IsTransient = true },
        ArgumentException argument => new(InvalidRequest, 400, "A value is out of range", TextOf(argument)),
        _ => null,
    };

    // A name that is too long may be megabytes long.
    private static string Shown(string name) => name.Length <= MaxShown ? name : string.Concat(name.AsSpan(0, MaxShown), "…");

    // Without the name of the parameter in the code, which the framework puts behind the text.
    private static string TextOf(ArgumentException exception)
    {
        var end = exception.Message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return end > 0 ? exception.Message[..end] : exception.Message;
    }

    /// <summary>The exception that a local store would have thrown.</summary>
    public static MillraceException ToException(WireProblem problem, string server) => problem.Code switch
    {
        InvalidName => new InvalidNameException(problem.Kind ?? "", problem.Subject ?? "", problem.Reason ?? problem.Detail),
        InvalidMessage => new InvalidMessageException(problem.Detail),
        RequestTooLarge => new InvalidMessageException(problem.Detail),
        QueueNotFound => new QueueNotFoundException(problem.Subject ?? ""),
        StreamNotFound => new StreamNotFoundException(problem.Subject ?? ""),
        StreamMismatch => new StreamMismatchException(problem.Detail),
        OffsetOutOfRange when problem.Trimmed is { } trimmed => new OffsetOutOfRangeException(problem.Subject ?? "", trimmed.Partition, trimmed.Offset, trimmed.EarliestOffset),
        QueueFull => new QueueFullException(problem.Subject ?? "", problem.Reason ?? ""),
        NotSupported => new BackendCapabilityException(problem.Subject ?? "", problem.Kind ?? "", problem.Available),
        InvalidSettings or InvalidSchedule => new MillraceConfigurationException(problem.Detail),
        StorageCorrupt => new StorageCorruptException($"{problem.Detail} ({server})") { ResumeOffset = problem.ResumeOffset },
        BackendError => new BackendErrorException($"{server} answers: {problem.Detail}"),
        _ when problem.Status is 401 => new AccessDeniedException($"{server} does not let this client in: {problem.Detail}"),
        _ when problem.Status is 403 => new AccessDeniedException($"{server} does not allow this: {problem.Detail}"),
        _ when problem.IsTransient || problem.Status is 429 or 502 or 503 or 504 =>
            new BackendUnavailableException($"{server} answers: {problem.Detail}", problem.MayHaveBeenApplied),
        _ => new MillraceConfigurationException(string.Create(CultureInfo.InvariantCulture, $"{server} refuses the request ({problem.Status} {problem.Code}): {problem.Detail}")),
    };
}
