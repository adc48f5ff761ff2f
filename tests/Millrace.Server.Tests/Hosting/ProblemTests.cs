using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Millrace.Server.Tests.Hosting;

/// <summary>Whatever goes wrong, a client gets a problem document, and nothing of the inside.</summary>
public sealed class ProblemTests
{
    [Fact]
    public async Task APathThatDoesNotExist_IsAProblem()
    {
        await using var server = await RunningServer.StartAsync();

        using var response = await server.GetAsync("/no/such/path");

        await AssertProblemAsync(response, HttpStatusCode.NotFound, "not-found");
        Assert.False(response.Headers.Contains("Server"));
    }

    [Fact]
    public async Task AMethodThatIsNotTaken_IsAProblem_ThatNamesThoseThatAre()
    {
        await using var server = await RunningServer.StartAsync();

        using var response = await server.Http.PostAsync(new Uri("/health/live", UriKind.Relative), null, TestContext.Current.CancellationToken);

        await AssertProblemAsync(response, HttpStatusCode.MethodNotAllowed, "method-not-allowed");
        Assert.Equal(["GET", "HEAD"], response.Content.Headers.Allow.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task AContentTypeThatIsNotTaken_IsAProblem()
    {
        await using var server = await StartAsync(context =>
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return Task.CompletedTask;
        });

        using var response = await server.GetAsync("/test");

        await AssertProblemAsync(response, HttpStatusCode.UnsupportedMediaType, "unsupported-media-type");
    }

    [Fact]
    public async Task AFaultOfTheServer_TellsNothingButWhereToLook()
    {
        await using var server = await StartAsync(_ => throw new InvalidOperationException("the password is hunter2"));

        using var response = await server.GetAsync("/test");

        var text = await AssertProblemAsync(response, HttpStatusCode.InternalServerError, "internal");
        Assert.DoesNotContain("hunter2", text, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
        var entry = Assert.Single(server.Log.Entries, entry => entry.Id == 2200);
        Assert.Equal(LogLevel.Error, entry.Level);
        Assert.IsType<InvalidOperationException>(entry.Exception);
        Assert.Contains(entry.Text.Split(' ')[2], text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFaultAfterTheAnswerHasBegun_CutsTheConnection()
    {
        await using var server = await StartAsync(async context =>
        {
            await context.Response.WriteAsync("half", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            throw new InvalidOperationException("in the middle");
        });

        await Assert.ThrowsAsync<HttpRequestException>(() => server.GetAsync("/test"));
    }

    [Fact]
    public async Task ABodyOverTheLimit_IsAProblem()
    {
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.Limits = options.Limits with { MaxRequestBytes = 1024 };
            options.MapMore = endpoints => endpoints.MapPost("/test", context => context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted));
        });

        using var response = await server.Http.PostAsync(new Uri("/test", UriKind.Relative), new ByteArrayContent(new byte[1025]), TestContext.Current.CancellationToken);

        await AssertProblemAsync(response, HttpStatusCode.RequestEntityTooLarge, "request-too-large");
    }

    [Fact]
    public async Task AnAnswerInJson_IsCompressed_ForThoseWhoTakeIt_AndAStreamOfEventsIsNot()
    {
        await using var server = await RunningServer.StartAsync(options => options.MapMore = endpoints =>
        {
            endpoints.MapGet("/json", context => WriteAsync(context, "application/json"));
            endpoints.MapGet("/events", context => WriteAsync(context, "text/event-stream"));
        });
        server.Http.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("gzip"));

        using var json = await server.GetAsync("/json");
        using var events = await server.GetAsync("/events");

        Assert.Equal(["gzip"], json.Content.Headers.ContentEncoding);
        Assert.Empty(events.Content.Headers.ContentEncoding);
    }

    private static Task<RunningServer> StartAsync(RequestDelegate endpoint) =>
        RunningServer.StartAsync(options => options.MapMore = endpoints => endpoints.MapGet("/test", endpoint));

    private static Task WriteAsync(HttpContext context, string contentType)
    {
        context.Response.ContentType = contentType;
        return context.Response.WriteAsync(new string('x', 1000), context.RequestAborted);
    }

    private static async Task<string> AssertProblemAsync(HttpResponseMessage response, HttpStatusCode status, string code)
    {
        Assert.Equal(status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.ToString());
        var problem = await RunningServer.ReadJsonAsync(response);
        Assert.Equal(["type", "title", "status", "detail", "code", "transient"], problem.EnumerateObject().Select(member => member.Name));
        Assert.Equal($"urn:millrace:problem:{code}", problem.GetProperty("type").GetString());
        Assert.Equal((int)status, problem.GetProperty("status").GetInt32());
        Assert.Equal(code, problem.GetProperty("code").GetString());
        return problem.GetRawText();
    }
}
