using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Xunit;

namespace Millrace.Server.Tests.Api;

/// <summary>A problem document, checked for what every one of them has and none of them may say.</summary>
internal sealed record Problem(int Status, string Code, string Detail)
{
    // What only the inside of the server knows: stack traces, folders, types, the framework's words for its own settings.
    private static readonly string[] Secrets = ["   at ", ".cs:line", "Exception", "System.", "Microsoft.", "Parameter '", "/home/", "/root/", "/usr/", "/tmp/", AppContext.BaseDirectory];

    public static async Task<Problem> OfAsync(HttpResponseMessage answer) => Of(
        (int)answer.StatusCode, answer.Content.Headers.ContentType?.ToString(), await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

    public static Problem Of(int status, string? contentType, string text)
    {
        Assert.True(MediaTypeHeaderValue.TryParse(contentType, out var type) && type.MediaType == "application/problem+json", $"{status} with a body of the type {contentType}: {text}");
        var document = JsonNode.Parse(text)!.AsObject();
        var problem = new Problem((int)document["status"]!, (string)document["code"]!, (string)document["detail"]!);
        Assert.Equal(status, problem.Status);
        Assert.Equal("urn:millrace:problem:" + problem.Code, (string)document["type"]!);
        Assert.NotEmpty((string)document["title"]!);
        Assert.NotEmpty(problem.Detail);
        Assert.True(status is 408 or 429 or 503 || !(bool)document["transient"]!, $"{status} says that the same request may succeed later: {text}");
        RequireNoSecret(text);
        return problem;
    }

    /// <summary>Requires that a text says nothing of the server's inside.</summary>
    public static void RequireNoSecret(string text)
    {
        foreach (var secret in Secrets)
        {
            Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
        }
    }
}
