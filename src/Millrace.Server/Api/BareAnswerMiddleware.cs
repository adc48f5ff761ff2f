using Microsoft.AspNetCore.Http;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Gives the answers of routing, which found no route or no route with the method, the body that every problem has.</summary>
internal sealed class BareAnswerMiddleware(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        await next(context).ConfigureAwait(false);
        var response = context.Response;
        if (response.HasStarted || response.ContentType is not null || response.ContentLength is not null)
        {
            return;
        }

        if (response.StatusCode == StatusCodes.Status404NotFound)
        {
            await ProblemAnswer.WriteAsync(context, new(ProblemMap.NotFound, 404, "There is nothing here", $"No path of this server is like that. {Hint}")).ConfigureAwait(false);
        }
        else if (response.StatusCode == StatusCodes.Status405MethodNotAllowed)
        {
            var detail = $"This path takes {response.Headers.Allow}. {Hint}";
            await ProblemAnswer.WriteAsync(context, new(ProblemMap.MethodNotAllowed, 405, "The path does not take this method", detail)).ConfigureAwait(false);
        }
    }

    private const string Hint = $"The API is described at {ApiEndpoints.Root}/openapi.json.";
}
