using System.Text.Json;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary><c>millrace serve</c> on a free port as a process of its own.</summary>
internal sealed class RunningNode : IAsyncDisposable
{
    private RunningNode(RunningProcess process, JsonElement start)
    {
        Process = process;
        Start = start;
        Address = new Uri(start.GetProperty("addresses")[0].GetString()!);
        Http = new HttpClient { BaseAddress = Address };
    }

    public RunningProcess Process { get; }

    /// <summary>What it printed when it was ready.</summary>
    public JsonElement Start { get; }

    public Uri Address { get; }

    public HttpClient Http { get; }

    /// <summary>Starts a node, and returns when it says that it is ready.</summary>
    public static async Task<RunningNode> StartAsync(string folder, IEnumerable<string> args, IEnumerable<(string, string?)>? environment = null)
    {
        var all = args.ToList();
        string[] stomp = all.Contains("--stomp") || all.Contains("--no-stomp") ? [] : ["--stomp", "stomp://127.0.0.1:0"];
        var ready = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var process = RunningProcess.Start(
            folder, RunningProcess.Millrace, ["serve", "--json", "--listen", "http://127.0.0.1:0", .. stomp, .. all], environment, line => ready.TrySetResult(line));
        var first = await Task.WhenAny(ready.Task, process.Output).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.True(first == ready.Task, process.ErrorSoFar);
        return new RunningNode(process, JsonElement.Parse(await ready.Task));
    }

    public async Task<string> GetAsync(string path) => await Http.GetStringAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync()
    {
        Http.Dispose();
        return Process.DisposeAsync();
    }
}
