using Millrace.Server.Errors;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api.Description;

/// <summary>Every code of a problem, and the status that it comes with.</summary>
internal static class ProblemCodes
{
    public static readonly (string Code, int Status)[] All =
    [
        (ProblemMap.InvalidRequest, 400),
        (ProblemMap.InvalidName, 400),
        (ProblemMap.InvalidMessage, 400),
        (ProblemMap.InvalidSettings, 400),
        (ProblemMap.InvalidSchedule, 400),
        (ProblemMap.Unauthorized, 401),
        (ProblemMap.Forbidden, 403),
        (ProblemMap.CrossOrigin, 403),
        (ProblemMap.HostNotAllowed, 403),
        (ProblemMap.NotFound, 404),
        (ProblemMap.QueueNotFound, 404),
        (ProblemMap.StreamNotFound, 404),
        (ProblemMap.ScheduleNotFound, 404),
        (ProblemMap.PartitionNotFound, 404),
        (ProblemMap.GroupNotFound, 404),
        (ProblemMap.MessageNotFound, 404),
        (ProblemMap.ReceiverNotFound, 404),
        (ProblemMap.StateNotFound, 404),
        (ProblemMap.LockNotHeld, 404),
        (ProblemMap.MethodNotAllowed, 405),
        (ProblemMap.RequestTimeout, 408),
        (ProblemMap.MessageLeased, 409),
        (ProblemMap.LockHeld, 409),
        (ProblemMap.StreamMismatch, 409),
        (ProblemMap.OffsetOutOfRange, 410),
        (ProblemMap.VersionMismatch, 412),
        (ProblemMap.RequestTooLarge, 413),
        (ProblemMap.UnsupportedMediaType, 415),
        (ProblemMap.QueueFull, 429),
        (ProblemMap.TooManyFailures, 429),
        (ProblemAnswer.InternalCode, 500),
        (ProblemMap.NotSupported, 501),
        (ProblemMap.BackendError, 502),
        (ProblemMap.Busy, 503),
        (ProblemMap.TooManyOpen, 503),
        (ProblemMap.StorageCorrupt, 503),
        (ProblemMap.Unavailable, 503),
    ];

    /// <summary>What any request may meet.</summary>
    private static readonly string[] OfEveryRequest =
    [
        ProblemMap.InvalidRequest,
        ProblemMap.Unauthorized,
        ProblemMap.Forbidden,
        ProblemMap.CrossOrigin,
        ProblemMap.HostNotAllowed,
        ProblemMap.TooManyFailures,
        ProblemMap.Busy,
        ProblemMap.NotSupported,
        ProblemMap.BackendError,
        ProblemMap.StorageCorrupt,
        ProblemMap.Unavailable,
        ProblemAnswer.InternalCode,
    ];

    /// <summary>What a request of this route may meet, by status.</summary>
    public static IEnumerable<(int Status, string[] Codes)> Of(ApiRoute route)
    {
        string[] ofName = route.Path.Contains('{', StringComparison.Ordinal) ? [ProblemMap.InvalidName] : [];
        string[] ofQueue = route.Path.Contains("{queue}", StringComparison.Ordinal) ? [ProblemMap.QueueNotFound] : [];

        // A stream may be deleted and created again with other partitions while a request is on its way.
        string[] ofStream = route.Path.Contains("{stream}", StringComparison.Ordinal) ? [ProblemMap.StreamNotFound, ProblemMap.StreamMismatch] : [];
        string[] ofPartition = route.Path.Contains("{partition}", StringComparison.Ordinal) ? [ProblemMap.PartitionNotFound] : [];
        string[] ofBody = route.Body == ApiBody.None ? [] : [ProblemMap.RequestTimeout, ProblemMap.RequestTooLarge, ProblemMap.UnsupportedMediaType];
        var codes = new HashSet<string>([.. OfEveryRequest, .. ofName, .. ofQueue, .. ofStream, .. ofPartition, .. ofBody, .. route.Problems], StringComparer.Ordinal);
        return All.Where(problem => codes.Contains(problem.Code)).GroupBy(problem => problem.Status, (status, problems) => (status, problems.Select(problem => problem.Code).ToArray()));
    }
}
