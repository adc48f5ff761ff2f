using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Millrace.Samples.Tests;

/// <summary><c>millrace serve</c> on a free port and a store of its own, as a process; ended when it is disposed.</summary>
internal sealed class SampleServer : IAsyncDisposable
{
    private readonly Process _process;

    private SampleServer(Process process, string url)
    {
        _process = process;
        Url = url;
    }

    public string Url { get; }

    /// <summary>Starts a server, and returns when it says that it is ready.</summary>
    public static async Task<SampleServer> StartAsync(string folder, string millrace)
    {
        string[] arguments = ["serve", "--json", "--log-level", "none", "--listen", "http://127.0.0.1:0", "--no-stomp", "--url", "sqlite:./server.db"];
        var process = Process.Start(new ProcessStartInfo("dotnet", [millrace, .. arguments]) { RedirectStandardOutput = true, WorkingDirectory = folder })!;
        var ready = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        Assert.NotNull(ready);
        return new SampleServer(process, JsonElement.Parse(ready).GetProperty("addresses")[0].GetString()!.TrimEnd('/'));
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }
}
