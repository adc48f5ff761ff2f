using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Millrace.Server.Api;

namespace Millrace.Server.Errors;

/// <summary>The last resort: whatever comes out of the application, a client gets a problem document, and no trace.</summary>
internal sealed class ProblemMiddleware(RequestDelegate next, IHostApplicationLifetime lifetime, ILoggerFactory loggers)
{
    private const string Hint = $"The API is described at {ApiEndpoints.Root}/openapi.json.";

    private readonly ILogger _logger = loggers.CreateLogger("Millrace.Server.Requests");

    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context).ConfigureAwait(false);
            if (IsBareError(context.Response))
            {
                var status = context.Response.StatusCode;
                await ProblemAnswer.WriteAsync(context, ProblemAnswer.Of(status, Explain(context))).ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (IsClientGone(exception, context))
        {
            // Nobody reads the answer; the status is for the metrics. Said to the server, or it would try to read the rest of the body, and log that it cannot.
            if (!context.Response.HasStarted)
            {
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            }

            context.Abort();
        }
        catch (Exception exception)
        {
            await AnswerAsync(context, exception).ConfigureAwait(false);
        }
    }

    private async Task AnswerAsync(HttpContext context, Exception exception)
    {
        var problem = exception is OperationCanceledException && lifetime.ApplicationStopping.IsCancellationRequested
            ? ProblemAnswer.Of(StatusCodes.Status503ServiceUnavailable, "The server is stopping. Ask again, here or another node.")
            : ProblemAnswer.Report(exception, context, _logger);
        if (context.Response.HasStarted)
        {
            // Half an answer must not look like a whole one.
            context.Abort();
            return;
        }

        context.Response.Clear();
        if (exception is BadHttpRequestException)
        {
            // What is left of the request is of no use, and where the next one begins may not be known.
            context.Response.Headers.Connection = "close";
        }

        await ProblemAnswer.WriteAsync(context, problem).ConfigureAwait(false);
    }

    private static bool IsClientGone(Exception exception, HttpContext context) => exception is ConnectionAbortedException or ConnectionResetException
        || (exception is OperationCanceledException && context.RequestAborted.IsCancellationRequested);

    private static bool IsBareError(HttpResponse response) =>
        !response.HasStarted && response is { StatusCode: >= 400, ContentLength: null, ContentType: null };

    private static string Explain(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => $"There is nothing at this path. {Hint}",
        StatusCodes.Status405MethodNotAllowed => $"This path does not take the method {Known(context.Request.Method)}. Allowed: {context.Response.Headers.Allow}. {Hint}",
        StatusCodes.Status415UnsupportedMediaType => "This path does not take a body of this content type.",
        var status => $"The request was answered with status {status}.",
    };

    private static string Known(string method) => method.Length <= 20 && method.All(char.IsAsciiLetter) ? method : "of the request";
}
