using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Millrace.Serialization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Answers that say what is wrong: problem documents (RFC 9457).</summary>
internal static class ProblemAnswer
{
    public const string InternalCode = "internal";

    /// <summary>The problem of a fault; null when it is a defect of the server.</summary>
    public static WireProblem? Of(Exception exception) => exception switch
    {
        UnsupportedMediaException => new(ProblemMap.UnsupportedMediaType, 415, "The body has the wrong type", exception.Message),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } =>
            new(ProblemMap.RequestTooLarge, 413, "The request is too large", "The body is larger than this server takes; see 'maxRequestBytes' in the answer to GET /api/v1."),
        BadHttpRequestException { StatusCode: StatusCodes.Status408RequestTimeout } =>
            new(ProblemMap.RequestTimeout, 408, "The request came too slowly", "The body came more slowly than this server waits for. Nothing of it was done.") { IsTransient = true },
        BadHttpRequestException bad => new(ProblemMap.InvalidRequest, bad.StatusCode, "The request cannot be read", bad.Message),
        _ => ProblemMap.Of(exception),
    };

    /// <summary>For a defect: nothing of it but that it happened, and where the log says more.</summary>
    public static WireProblem Internal(HttpContext context) =>
        new(InternalCode, 500, "The server met a fault of its own", $"The server's log says more under the request '{context.TraceIdentifier}'.");

    public static async Task WriteAsync(HttpContext context, WireProblem problem)
    {
        using var body = new PooledBuffer();
        using (var json = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            problem.Write(json);
        }

        var response = context.Response;
        response.StatusCode = problem.Status;
        response.ContentType = WireProblem.MediaType;
        response.ContentLength = body.WrittenBytes;
        if (problem.Status is 429 or 503)
        {
            response.Headers.RetryAfter = "1";
        }

        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.BodyWriter.WriteAsync(body[..], context.RequestAborted).ConfigureAwait(false);
        }
    }
}
