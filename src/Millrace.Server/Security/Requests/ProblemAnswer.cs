using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Millrace.Server.Security.Requests;

/// <summary>A refusal as a problem document (RFC 9457), with a code that stays.</summary>
internal sealed record ProblemAnswer(int Status, string Code, string Title)
{
    public static readonly ProblemAnswer Unauthorized = new(StatusCodes.Status401Unauthorized, "unauthorized", "Credentials are needed.");
    public static readonly ProblemAnswer Forbidden = new(StatusCodes.Status403Forbidden, "forbidden", "This is not allowed.");
    public static readonly ProblemAnswer CrossOrigin = new(StatusCodes.Status403Forbidden, "cross-origin", "Pages of other origins are not allowed.");
    public static readonly ProblemAnswer HostNotAllowed = new(StatusCodes.Status403Forbidden, "host-not-allowed", "The server is not known by this name.");
    public static readonly ProblemAnswer TooManyFailures = new(StatusCodes.Status429TooManyRequests, "too-many-failures", "Too many logins failed.");
    public static readonly ProblemAnswer Busy = new(StatusCodes.Status503ServiceUnavailable, "busy", "The server is busy.");

    /// <summary>Answers a request that goes no further.</summary>
    public async Task WriteAsync(HttpContext context, string detail, TimeSpan? retryAfter = null)
    {
        var response = context.Response;
        response.StatusCode = Status;
        response.ContentType = "application/problem+json";
        if (Status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = new(["Basic realm=\"millrace\", charset=\"UTF-8\"", "Bearer realm=\"millrace\""]);
        }

        if (retryAfter is { } wait)
        {
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        var body = Body(detail);
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
        }
    }

    private ReadOnlyMemory<byte> Body(string detail)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("type", $"urn:millrace:problem:{Code}");
        json.WriteString("title", Title);
        json.WriteNumber("status", Status);
        json.WriteString("detail", detail);
        json.WriteString("code", Code);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }
}
