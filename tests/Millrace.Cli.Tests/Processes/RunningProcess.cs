using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>A real process with its streams; killed when it is disposed.</summary>
internal sealed partial class RunningProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _error = new();

    private RunningProcess(ProcessStartInfo start, Action<string>? onLine)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.UseShellExecute = false;
        _process = Process.Start(start)!;
        Output = ReadOutputAsync(onLine);
        Error = ReadErrorAsync();
    }

    /// <summary>The command line as it was built with the tests.</summary>
    public static string Millrace => Metadata("MillraceCommand");

    public static string CrashWorker => Metadata("CrashWorker");

    public static string SampleWorker => Metadata("SampleWorker");

    public static string RepositoryRoot => Metadata("RepositoryRoot");

    /// <summary>Ends with the output; has its text unless lines were asked for.</summary>
    public Task<string> Output { get; }

    /// <summary>Ends with the error stream; has its text.</summary>
    public Task<string> Error { get; }

    public int Id => _process.Id;

    public StreamWriter Input => _process.StandardInput;

    /// <summary>What the process has said on its error stream so far.</summary>
    public string ErrorSoFar
    {
        get
        {
            lock (_error)
            {
                return _error.ToString();
            }
        }
    }

    /// <summary>Starts a program.</summary>
    /// <param name="folder">Where it works.</param>
    /// <param name="program">Its path.</param>
    /// <param name="args">Its arguments.</param>
    /// <param name="environment">Variables beside the inherited ones.</param>
    /// <param name="onLine">Gets each line of output as it comes; null: they are collected.</param>
    public static RunningProcess Start(
        string folder,
        string program,
        IEnumerable<string> args,
        IEnumerable<(string Name, string? Value)>? environment = null,
        Action<string>? onLine = null)
    {
        var start = new ProcessStartInfo(program, args) { WorkingDirectory = folder };
        foreach (var inherited in (string[])["MILLRACE_URL", "MILLRACE_CONFIG", "NOTIFY_SOCKET"])
        {
            start.Environment.Remove(inherited);
        }

        foreach (var (name, value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        return new RunningProcess(start, onLine);
    }

    /// <summary>Runs <c>millrace</c> to its end.</summary>
    public static Task<CliResult> RunAsync(string folder, params string[] args) => RunWithInputAsync(folder, "", args);

    /// <summary>Runs <c>millrace</c> to its end with an input.</summary>
    public static async Task<CliResult> RunWithInputAsync(string folder, string input, params string[] args)
    {
        await using var process = Start(folder, Millrace, args);
        return await process.FinishAsync(input);
    }

    /// <summary>Writes the input, closes it and waits for the end.</summary>
    public async Task<CliResult> FinishAsync(string input = "")
    {
        try
        {
            await Input.WriteAsync(input);
            Input.Close();
        }
        catch (IOException)
        {
            // The process has ended before it read everything, as its exit code tells.
        }

        var output = await Output;
        var error = await Error;
        return new CliResult(await ExitAsync(), output, error);
    }

    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return _process.ExitCode;
    }

    /// <summary>kill -9, for this process alone; ends when it is gone and everything that it had written has been read.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        await Output;
    }

    /// <summary>Sends SIGTERM (15) or SIGINT (2).</summary>
    public void Signal(int number) => Assert.Equal(0, SendSignal(_process.Id, number));

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process.Dispose();
    }

    private async Task<string> ReadOutputAsync(Action<string>? onLine)
    {
        if (onLine is null)
        {
            return await _process.StandardOutput.ReadToEndAsync();
        }

        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            onLine(line);
        }

        return "";
    }

    private async Task<string> ReadErrorAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            lock (_error)
            {
                _error.Append(line).Append('\n');
            }
        }

        return ErrorSoFar;
    }

    /// <summary>What the build says about where something is.</summary>
    public static string Metadata(string key) =>
        typeof(RunningProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == key).Value!;

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}
