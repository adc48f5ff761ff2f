using System.Text.Json;
using System.Threading.Channels;
using Xunit;

namespace Millrace.Foreign.Tests;

/// <summary>A script of a foreign client as a process. It prints lines of JSON; a line of input tells it to go on.</summary>
internal sealed class Script : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Channel<JsonElement> _lines = Channel.CreateUnbounded<JsonElement>();

    private Script(string program, string file, IEnumerable<object> arguments)
    {
        var folder = Path.GetDirectoryName(file)!;
        Process = RunningProcess.Start(
            folder,
            program,
            [file, .. arguments.Select(argument => $"{argument}")],
            [("PYTHONDONTWRITEBYTECODE", "1")],
            line => _lines.Writer.TryWrite(JsonElement.Parse(line)));
        _ = Process.Output.ContinueWith(_ => _lines.Writer.TryComplete(), TaskScheduler.Default);
    }

    public RunningProcess Process { get; }

    /// <summary>Starts a scenario of stomp.py. Debian's interpreter by its path: it has the package, others on the PATH may not.</summary>
    public static Script StartPython(string scenario, params object[] arguments) => new("/usr/bin/python3", FileOf("Python/scenarios.py"), [scenario, .. arguments]);

    /// <summary>Starts a script in Node.</summary>
    public static async Task<Script> StartNodeAsync(string file, params object[] arguments)
    {
        await NodePackages.InstallAsync(Path.GetDirectoryName(FileOf("Node/package.json"))!);
        return new("node", FileOf($"Node/{file}"), arguments);
    }

    /// <summary>Runs a scenario of stomp.py to its end, which must be a success.</summary>
    public static async Task<JsonElement[]> RunPythonAsync(string scenario, params object[] arguments)
    {
        await using var script = StartPython(scenario, arguments);
        return await script.FinishAsync();
    }

    /// <summary>Runs a script in Node to its end, which must be a success.</summary>
    public static async Task<JsonElement[]> RunNodeAsync(string file, params object[] arguments)
    {
        await using var script = await StartNodeAsync(file, arguments);
        return await script.FinishAsync();
    }

    /// <summary>The next line.</summary>
    public async Task<JsonElement> ReadAsync()
    {
        try
        {
            return await _lines.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience);
        }
        catch (Exception exception) when (exception is ChannelClosedException or TimeoutException)
        {
            throw new InvalidOperationException($"The script says no more: {Process.ErrorSoFar}", exception);
        }
    }

    /// <summary>Tells it to go on.</summary>
    public async Task GoOnAsync()
    {
        await Process.Input.WriteLineAsync();
        await Process.Input.FlushAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>The lines until its end, which must be a success.</summary>
    public async Task<JsonElement[]> FinishAsync()
    {
        var code = await Process.ExitAsync().WaitAsync(Patience);
        await Process.Output;
        var error = await Process.Error;
        Assert.True(code == 0, $"exit code {code}: {error}");
        return await _lines.Reader.ReadAllAsync(TestContext.Current.CancellationToken).ToArrayAsync(TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();

    private static string FileOf(string path) => Path.Combine(RunningProcess.RepositoryRoot, "tests/Millrace.Foreign.Tests", path);
}
