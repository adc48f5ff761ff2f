using System.Globalization;
using Microsoft.AspNetCore.Http;
using Millrace.Server.Errors;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Security.Requests;

/// <summary>A refusal of a request that goes no further, with a code that stays.</summary>
internal sealed record Refusal(int Status, string Code, string Title)
{
    public static readonly Refusal Unauthorized = new(StatusCodes.Status401Unauthorized, ProblemMap.Unauthorized, "Credentials are needed");
    public static readonly Refusal CrossOrigin = new(StatusCodes.Status403Forbidden, ProblemMap.CrossOrigin, "Pages of other origins are not allowed");
    public static readonly Refusal HostNotAllowed = new(StatusCodes.Status403Forbidden, ProblemMap.HostNotAllowed, "The server is not known by this name");
    public static readonly Refusal TooManyFailures = new(StatusCodes.Status429TooManyRequests, ProblemMap.TooManyFailures, "Too many logins failed");
    public static readonly Refusal Busy = new(StatusCodes.Status503ServiceUnavailable, ProblemMap.Busy, "The server is busy");

    /// <summary>Answers the request with it.</summary>
    public Task WriteAsync(HttpContext context, string detail, TimeSpan? retryAfter = null)
    {
        var headers = context.Response.Headers;
        if (Status == StatusCodes.Status401Unauthorized)
        {
            headers.WWWAuthenticate = new(["Basic realm=\"millrace\", charset=\"UTF-8\"", "Bearer realm=\"millrace\""]);
        }

        if (retryAfter is { } wait)
        {
            headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        return ProblemAnswer.WriteAsync(context, new WireProblem(Code, Status, Title, detail) { IsTransient = Status is 429 or 503 });
    }
}
