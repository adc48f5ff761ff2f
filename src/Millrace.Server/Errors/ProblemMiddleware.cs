using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Millrace.Server.Errors;

/// <summary>The last resort: whatever comes out of the application, a client gets a problem document, and no trace.</summary>
internal sealed class ProblemMiddleware(RequestDelegate next, IHostApplicationLifetime lifetime, ILoggerFactory loggers)
{
    private readonly ILogger _logger = loggers.CreateLogger("Millrace.Server.Requests");

    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context).ConfigureAwait(false);
            if (IsBareError(context.Response))
            {
                var status = context.Response.StatusCode;
                await ProblemDocument.WriteAsync(context, status, ProblemDocument.CodeOf(status), Explain(context)).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody reads the answer; the status is for the metrics.
            if (!context.Response.HasStarted)
            {
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            }
        }
        catch (Exception exception)
        {
            await AnswerAsync(context, exception).ConfigureAwait(false);
        }
    }

    private async Task AnswerAsync(HttpContext context, Exception exception)
    {
        var (status, code, detail) = exception switch
        {
            BadHttpRequestException bad => (bad.StatusCode, ProblemDocument.CodeOf(bad.StatusCode), bad.Message),
            OperationCanceledException when lifetime.ApplicationStopping.IsCancellationRequested =>
                (StatusCodes.Status503ServiceUnavailable, "stopping", "The server is stopping. Ask again, here or another node."),
            _ => (
                StatusCodes.Status500InternalServerError,
                ProblemDocument.InternalCode,
                $"The server met a fault of its own. Its log tells more under the request {context.TraceIdentifier}."),
        };
        if (status == StatusCodes.Status500InternalServerError)
        {
            _logger.RequestFailed(exception, context.Request.Method, context.TraceIdentifier);
        }

        if (context.Response.HasStarted)
        {
            // Half an answer must not look like a whole one.
            context.Abort();
            return;
        }

        context.Response.Clear();
        await ProblemDocument.WriteAsync(context, status, code, detail).ConfigureAwait(false);
    }

    private static bool IsBareError(HttpResponse response) =>
        !response.HasStarted && response is { StatusCode: >= 400, ContentLength: null, ContentType: null };

    private static string Explain(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => "There is nothing at this path.",
        StatusCodes.Status405MethodNotAllowed => $"This path does not take the method {Known(context.Request.Method)}. Allowed: {context.Response.Headers.Allow}.",
        StatusCodes.Status415UnsupportedMediaType => "This path does not take a body of this content type.",
        var status => $"The request was answered with status {status}.",
    };

    private static string Known(string method) => method.Length <= 20 && method.All(char.IsAsciiLetter) ? method : "of the request";
}
