using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Millrace.Server.Errors;

/// <summary>Errors as RFC 9457 says: <c>type</c>, <c>title</c>, <c>status</c>, <c>detail</c>, and a <c>code</c> that programs can rely on.</summary>
internal static class ProblemDocument
{
    public const string ContentType = "application/problem+json";
    public const string InternalCode = "internal";

    private const string TypePrefix = "urn:millrace:problem:";

    /// <summary>Writes the answer with a code of its own.</summary>
    public static async Task WriteAsync(HttpContext context, int status, string code, string detail)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = ContentType;
        using (var json = new Utf8JsonWriter(context.Response.BodyWriter))
        {
            json.WriteStartObject();
            json.WriteString("type", TypePrefix + code);
            json.WriteString("title", TitleOf(status));
            json.WriteNumber("status", status);
            json.WriteString("detail", detail);
            json.WriteString("code", code);
            json.WriteEndObject();
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>The code of a status that needs no closer one: its name, such as <c>not-found</c>.</summary>
    public static string CodeOf(int status) =>
        status == StatusCodes.Status500InternalServerError ? InternalCode : TitleOf(status).ToLowerInvariant().Replace(' ', '-').Replace("'", "", StringComparison.Ordinal);

    private static string TitleOf(int status) => ReasonPhrases.GetReasonPhrase(status) is { Length: > 0 } phrase ? phrase : "Error";
}
