using System.Diagnostics;
using Xunit;

namespace Millrace.Samples.Tests;

/// <summary>The samples as their readers run them: processes, in an empty folder, with nothing set up.</summary>
public sealed class SampleTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-samples-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData]
    [InlineData("memory:")]
    public async Task QuickStart_SendsAndHandles(params string[] arguments)
    {
        var (exitCode, output) = await RunAsync("QuickStart", arguments);

        Assert.Equal((0, "A-1: 3 pieces, attempt 1\n"), (exitCode, output.ReplaceLineEndings("\n")));
    }

    [Fact]
    public async Task QuickStart_WithAServer_SendsAndHandles()
    {
        await using var server = await SampleServer.StartAsync(_folder.FullName, PathOf("apps/millrace", "Millrace.App"));

        var (exitCode, output) = await RunAsync("QuickStart", server.Url);

        Assert.Equal((0, "A-1: 3 pieces, attempt 1\n"), (exitCode, output.ReplaceLineEndings("\n")));
    }

    [Fact]
    public async Task SqliteWorker_WithAServer_HandlesWhatWasSent_AndPrintsItsCounts()
    {
        await using var server = await SampleServer.StartAsync(_folder.FullName, PathOf("apps/millrace", "Millrace.App"));
        using var http = new HttpClient();
        var messages = string.Join(',', Enumerable.Range(0, 200).Select(number => $$$"""{"json": {"n": {{{number}}}}}"""));
        using var batch = new StringContent($$"""{"messages": [{{messages}}]}""", null, "application/json");
        using var sent = await http.PostAsync(new Uri($"{server.Url}/api/v1/queues/lines/batches"), batch, Token);
        sent.EnsureSuccessStatusCode();

        var (exitCode, output) = await RunAsync("SqliteWorker", "--url", server.Url, "--queue", "lines", "--exit-when-idle");

        Assert.Equal((0, "handled 200, retried 0, dead-lettered 0, returned 0, lease lost 0"), (exitCode, output.Trim()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2, "json:.")]
    public async Task CustomBackend_AppendsAndReads_AndAFileKeepsIt(int kept, params string[] arguments)
    {
        await RunAsync("CustomBackend", arguments);

        var (exitCode, output) = await RunAsync("CustomBackend", arguments);

        string[] records = ["0: hello", "1: good day", "2: hello", "3: good day"];
        Assert.Equal((0, $"appended at {kept}\n{string.Join('\n', records[..(kept + 2)])}\n"), (exitCode, output.ReplaceLineEndings("\n")));
    }

    [Fact]
    public async Task EmbeddedServer_ServesItsOwnStore()
    {
        var (exitCode, output) = await RunAsync("EmbeddedServer");

        Assert.Equal((0, "hello over HTTP\n"), (exitCode, output.ReplaceLineEndings("\n")));
    }

    [Fact]
    public async Task SqliteWorker_EndsWhenItsQueueIsIdle_AndPrintsItsCounts()
    {
        var (exitCode, output) = await RunAsync("SqliteWorker", "--url", "memory:", "--queue", "lines", "--fail-percent", "1", "--exit-when-idle");

        Assert.Equal((0, "handled 0, retried 0, dead-lettered 0, returned 0, lease lost 0"), (exitCode, output.Trim()));
    }

    [Theory]
    [InlineData(2, "'--nosuch' is unknown, or lacks its value.", "--nosuch")]
    [InlineData(2, "out of range", "--fail-percent", "200")]
    [InlineData(1, "There is no backend 'nosuch'.", "--url", "nosuch:")]
    [InlineData(1, "'a!b' is no valid queue name", "--url", "memory:", "--queue", "a!b")]
    public async Task SqliteWorker_SaysWhatIsWrong(int expectedExitCode, string problem, params string[] arguments)
    {
        var (exitCode, output) = await RunAsync("SqliteWorker", arguments);

        Assert.Equal(expectedExitCode, exitCode);
        Assert.Contains(problem, output, StringComparison.Ordinal);
    }

    [Fact]
    public Task HostedWorker_HandlesEveryOrder_RetriedAndRefusedOnesIncluded() => RunHostedWorkerAsync(null);

    [Fact]
    public async Task HostedWorker_WithAServer_HandlesEveryOrder_RetriedAndRefusedOnesIncluded()
    {
        await using var server = await SampleServer.StartAsync(_folder.FullName, PathOf("apps/millrace", "Millrace.App"));

        await RunHostedWorkerAsync(server.Url);
    }

    [Fact]
    public Task Schedules_TickAndRunJobs() => RunSchedulesAsync(null);

    [Fact]
    public async Task Schedules_WithAServer_TickAndRunJobs()
    {
        await using var server = await SampleServer.StartAsync(_folder.FullName, PathOf("apps/millrace", "Millrace.App"));

        await RunSchedulesAsync(server.Url);
    }

    private Task RunSchedulesAsync(string? url) =>
        RunUntilAsync("Schedules", url, "tick of ", "invoice for A-1, attempt 1", "invoice for A-2, attempt 1", "invoice for A-2, a copy, attempt 1");

    private Task RunHostedWorkerAsync(string? url) =>
        RunUntilAsync("HostedWorker", url, "Order A-1", "Order A-2", "Order A-3", "Order A-4", "not enough of 'gear'", "Not sent: OrderPlaced is not valid");

    private async Task RunUntilAsync(string sample, string? url, params string[] texts)
    {
        using var process = Start(sample, [], url);
        var awaited = texts.ToHashSet(StringComparer.Ordinal);
        var seen = new List<string>();

        while (awaited.Count > 0 && await process.StandardOutput.ReadLineAsync(Token) is { } line)
        {
            seen.Add(line);
            awaited.RemoveWhere(text => line.Contains(text, StringComparison.Ordinal));
        }

        process.Kill();
        await process.WaitForExitAsync(Token);
        Assert.True(awaited.Count == 0, $"Missing: {string.Join(", ", awaited)}. Printed:\n{string.Join('\n', seen)}");
    }

    private async Task<(int ExitCode, string Output)> RunAsync(string sample, params string[] arguments)
    {
        using var process = Start(sample, arguments);
        var errors = process.StandardError.ReadToEndAsync(Token);
        var output = await process.StandardOutput.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        return (process.ExitCode, output + await errors);
    }

    private Process Start(string sample, string[] arguments, string? queueUrl = null) =>
        Process.Start(new ProcessStartInfo("dotnet", [PathOf($"samples/{sample}", sample), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder.FullName,
            Environment = { ["QUEUE__URL"] = queueUrl },
        })!;

    // …/tests/Millrace.Samples.Tests/bin/Debug/net10.0/ beside …/samples/QuickStart/bin/Debug/net10.0/
    private static string PathOf(string project, string name)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        var root = output.Parent!.Parent!.Parent!.Parent!.Parent!;
        return Path.Combine(root.FullName, project, "bin", output.Parent!.Name, output.Name, $"{name}.dll");
    }
}
