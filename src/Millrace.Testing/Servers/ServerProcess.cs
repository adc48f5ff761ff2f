using System.Collections.Concurrent;
using System.Diagnostics;

namespace Millrace.Testing.Servers;

/// <summary>A server's process, its log, and what a test can do to it. It dies with the test's process, however that ends.</summary>
internal sealed class ServerProcess : IDisposable
{
    // The kernel kills a process started under setpriv when the thread that started it ends, so all are started by one that never does.
    private static readonly BlockingCollection<Action> Starts = StartStarter();

    private readonly Process _process;

    private ServerProcess(Process process) => _process = process;

    public bool HasExited => _process.HasExited;

    /// <summary>Starts a server whose standard output is its log.</summary>
    /// <param name="program">The program, by name.</param>
    /// <param name="package">The Debian package that has it, for the error where it is missing.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="log">Gets its output, and learns when it ends.</param>
    public static async Task<ServerProcess> StartAsync(string program, string package, IEnumerable<string> arguments, ServerLog log)
    {
        Require(program, package);
        var start = new ProcessStartInfo("setpriv") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["--pdeathsig", "KILL", program, .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Starts.Add(() =>
        {
            try
            {
                started.SetResult(Process.Start(start)!);
            }
            catch (System.ComponentModel.Win32Exception fault)
            {
                started.SetException(new MillraceConfigurationException($"'{start.FileName}' of Debian's package util-linux could not be started: {fault.Message}"));
            }
        });
        var process = await started.Task.ConfigureAwait(false);
        process.StandardInput.Close();
        log.Follow(process);
        return new ServerProcess(process);
    }

    /// <summary>Fails unless a program is installed.</summary>
    public static void Require(string program, string package)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        if (!folders.Any(folder => File.Exists(Path.Combine(folder, program))))
        {
            throw new MillraceConfigurationException($"'{program}' is not installed. Install it: apt-get install {package}");
        }
    }

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Its exit code, and its standard output and error.</returns>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        try
        {
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            return (process.ExitCode, await output.ConfigureAwait(false) + await error.ConfigureAwait(false));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    /// <summary>Sends a signal by its name, such as STOP.</summary>
    public async Task SignalAsync(string signal, CancellationToken cancellationToken)
    {
        // The shell's own kill, which needs no package.
        string[] arguments = ["-c", "kill -s \"$0\" \"$1\"", signal, _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)];
        var (exitCode, output) = await RunAsync("sh", arguments, new Dictionary<string, string>(), cancellationToken).ConfigureAwait(false);
        if (exitCode != 0)
        {
            throw new InvalidOperationException($"The signal {signal} could not be sent: {output}");
        }
    }

    /// <summary>kill -9; returns when it is dead.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        Kill();
        await _process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Kill()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    private static BlockingCollection<Action> StartStarter()
    {
        var starts = new BlockingCollection<Action>();
        new Thread(() =>
        {
            foreach (var start in starts.GetConsumingEnumerable())
            {
                start();
            }
        }) { IsBackground = true, Name = "millrace servers" }.Start();
        return starts;
    }
}
