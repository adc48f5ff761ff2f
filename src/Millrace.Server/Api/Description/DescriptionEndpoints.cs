using Microsoft.AspNetCore.Http;

namespace Millrace.Server.Api.Description;

/// <summary>The description of the API, for tools and for people.</summary>
internal static class DescriptionEndpoints
{
    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "openapi.json", "This description.", call => call.WriteAsync(200, "application/json", call.Instance.Description)) { AnswerType = "application/json" },
    ];
}
