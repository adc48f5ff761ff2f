using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;
using Millrace.Serialization;
using Millrace.Server.Api;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Errors;

/// <summary>Answers that say what is wrong: problem documents (RFC 9457) with a code that programs can rely on.</summary>
internal static class ProblemAnswer
{
    public const string InternalCode = "internal";

    /// <summary>The problem of a fault that is expected of clients and stores; null when it is a defect of the server.</summary>
    public static WireProblem? Of(Exception exception) => exception switch
    {
        UnsupportedMediaException => new(ProblemMap.UnsupportedMediaType, 415, "The body has the wrong type", exception.Message),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } =>
            new(ProblemMap.RequestTooLarge, 413, "The request is too large", "The body is larger than this server takes; see 'maxRequestBytes' in the answer to GET /api/v1."),
        BadHttpRequestException { StatusCode: StatusCodes.Status408RequestTimeout } =>
            new(ProblemMap.RequestTimeout, 408, "The request came too slowly", "The body came more slowly than this server waits for. Nothing of it was done.") { IsTransient = true },
        BadHttpRequestException bad => Of(bad.StatusCode, bad.Message),
        PartitionNotFoundException missing => new(ProblemMap.PartitionNotFound, 404, "There is no such partition", missing.Message) { Subject = missing.Stream },
        _ => ProblemMap.Of(exception),
    };

    /// <summary>What a client is told of a fault; the log has those that the node's operator has to know of, of each instance by itself and not every one of an outage.</summary>
    public static WireProblem Report(Exception exception, HttpContext context, ILogger logger)
    {
        var problem = Of(exception);
        if (problem is null)
        {
            logger.RequestFailed(exception, context.Request.Method, context.TraceIdentifier);
            return Internal(context);
        }

        if (exception is MillraceException && problem.Status is StatusCodes.Status502BadGateway or StatusCodes.Status503ServiceUnavailable)
        {
            var request = new FailedRequest(context.Request.Method, context.TraceIdentifier, problem.Status, problem.Code, exception.Message);
            if (context.GetEndpoint()?.Metadata.GetMetadata<ApiInstance>() is { } instance)
            {
                instance.Outages.Report(request);
            }
            else
            {
                logger.BackendFailed(LogLevel.Warning, request.Method, request.Id, request.Status, request.Code, request.Reason);
            }
        }

        return problem;
    }

    /// <summary>A problem that is nothing more than its status.</summary>
    public static WireProblem Of(int status, string detail) => new(CodeOf(status), status, TitleOf(status), detail) { IsTransient = status is 408 or 429 or 503 };

    /// <summary>For a defect: nothing of it but that it happened, and where the log says more.</summary>
    private static WireProblem Internal(HttpContext context) =>
        new(InternalCode, 500, "The server met a fault of its own", $"The server's log tells more under the request {context.TraceIdentifier}.");

    public static async Task WriteAsync(HttpContext context, WireProblem problem)
    {
        using var body = new PooledBuffer();
        using (var json = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            problem.Write(json);
        }

        body.Write(WireJson.LineEnd);
        var response = context.Response;
        response.StatusCode = problem.Status;
        response.ContentType = WireProblem.MediaType;
        response.ContentLength = body.WrittenBytes;
        if (problem.Status is 429 or 503 && response.Headers.RetryAfter.Count == 0)
        {
            response.Headers.RetryAfter = "1";
        }

        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.BodyWriter.WriteAsync(body[..], context.RequestAborted).ConfigureAwait(false);
        }
    }

    // The name of the status, such as not-found, but for those that have a closer one.
    private static string CodeOf(int status) => status switch
    {
        StatusCodes.Status400BadRequest or StatusCodes.Status408RequestTimeout => ProblemMap.InvalidRequest,
        StatusCodes.Status413PayloadTooLarge => ProblemMap.RequestTooLarge,
        StatusCodes.Status503ServiceUnavailable => ProblemMap.Unavailable,
        StatusCodes.Status500InternalServerError => InternalCode,
        _ => TitleOf(status).ToLowerInvariant().Replace(' ', '-').Replace("'", "", StringComparison.Ordinal),
    };

    private static string TitleOf(int status) => ReasonPhrases.GetReasonPhrase(status) is { Length: > 0 } phrase ? phrase : "Error";
}
