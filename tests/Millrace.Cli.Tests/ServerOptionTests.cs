using Millrace.App;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary><c>--server</c>: which backend it names, and what a user is told when nobody answers there.</summary>
public sealed class ServerOptionTests
{
    [Theory]
    [InlineData("http://host:7070", "http://host:7070")]
    [InlineData("HTTPS://me:pass%20word@host", "HTTPS://me:pass%20word@host")]
    [InlineData("host:7070", "http://host:7070")]
    [InlineData("localhost", "http://localhost")]
    [InlineData("[::1]:7070", "http://[::1]:7070")]
    public async Task AServer_IsOpenedLikeAnyBackend(string server, string expected)
    {
        var (code, opened, error) = await RunAsync(OpenMemoryAsync, null, "stats", "--server", server);

        Assert.Equal((ExitCodes.Done, expected, ""), (code, opened, error));
    }

    [Fact]
    public async Task TheEnvironment_MayNameAServer_WhichTheCommandLineOverrides()
    {
        var (_, fromEnvironment, _) = await RunAsync(OpenMemoryAsync, "http://one:7070", "stats");
        var (_, fromOption, _) = await RunAsync(OpenMemoryAsync, "http://one:7070", "stats", "--server", "http://two:7070");

        Assert.Equal(("http://one:7070", "http://two:7070"), (fromEnvironment, fromOption));
    }

    [Theory]
    [InlineData("correct --server.", null, new[] { "stats", "--server", "http://me:hunter2@host:7070" })]
    [InlineData("correct --url.", null, new[] { "stats", "--url", "http://me:hunter2@host:7070" })]
    [InlineData("correct MILLRACE_URL.", "http://me:hunter2@host:7070", new[] { "stats" })]
    public async Task AServerThatIsDown_IsAFailureOfOneSentence_WithoutItsPassword(string advice, string? variable, string[] args)
    {
        var (code, _, error) = await RunAsync(static () => throw new BackendUnavailableException("Connection refused."), variable, args);

        new CliResult(code, "", error).Failed(
            ExitCodes.Failed, $"millrace: The Millrace server at http://me:***@host:7070 does not answer (Connection refused): start it with 'millrace serve' there, or {advice}");
        Assert.DoesNotContain("hunter2", error, StringComparison.Ordinal);
    }

    private static ValueTask<Backend> OpenMemoryAsync() =>
        BackendRegistry.CreateDefault().OpenAsync("memory:", cancellationToken: TestContext.Current.CancellationToken);

    private static async Task<(int Code, string? Opened, string Error)> RunAsync(Func<ValueTask<Backend>> open, string? variable, params string[] args)
    {
        string? opened = null;
        var error = new StringWriter();
        var context = new CliContext
        {
            Input = Stream.Null,
            Output = Stream.Null,
            Error = error,
            ReadVariable = name => name == CliContext.UrlVariable ? variable : null,
            OpenBackend = (url, _) =>
            {
                opened = url;
                return open();
            },
        };
        var code = await CommandLine.RunAsync(args, context, TestContext.Current.CancellationToken);
        return (code, opened, error.ToString());
    }
}
