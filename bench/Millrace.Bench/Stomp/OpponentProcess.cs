using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Millrace.Bench.Stomp;

/// <summary>A program of an opponent with its own folder; killed, and the folder deleted, when it is disposed.</summary>
internal sealed class OpponentProcess : IAsyncDisposable
{
    private const int KeptLines = 15;

    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RetryTime = TimeSpan.FromMilliseconds(100);

    private readonly Process _process;
    private readonly string _folder;
    private readonly OpponentProcess? _companion;
    private readonly ConcurrentQueue<string> _lastLines = new();

    private OpponentProcess(Process process, string folder, OpponentProcess? companion) => (_process, _folder, _companion) = (process, folder, companion);

    public int Id => _process.Id;

    /// <summary>Starts a program.</summary>
    /// <param name="folder">Its folder, which exists.</param>
    /// <param name="file">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">All of its environment but PATH: what is set for an installed instance must not reach it.</param>
    /// <param name="companion">A process that it needs, and that ends after it.</param>
    public static OpponentProcess Start(string folder, string file, string[] arguments, IReadOnlyDictionary<string, string> environment, OpponentProcess? companion = null)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder };
        start.Environment.Clear();
        start.Environment["PATH"] = Environment.GetEnvironmentVariable("PATH");
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var started = new OpponentProcess(Process.Start(start)!, folder, companion);
        started._process.OutputDataReceived += started.Keep;
        started._process.ErrorDataReceived += started.Keep;
        started._process.BeginOutputReadLine();
        started._process.BeginErrorReadLine();
        return started;
    }

    /// <summary>A port of this machine that nobody listens on now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Returns the broker when a client can log in, or ends it.</summary>
    public async Task<StompBroker> ReadyAsync(string name, StompEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            await WaitForAsync(endpoint, cancellationToken);
            return new StompBroker(name, endpoint, Id, this);
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        if (_companion is not null)
        {
            await _companion.DisposeAsync();
        }

        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private async Task WaitForAsync(StompEndpoint endpoint, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                StompConnection.Open(endpoint).Dispose();
                return;
            }
            catch (StompFailureException problem) when (_process.HasExited || watch.Elapsed > StartTime)
            {
                var state = _process.HasExited ? $"ended with exit code {_process.ExitCode}" : $"was not ready after {StartTime.TotalSeconds:0} s ({problem.Message})";
                throw new StompFailureException($"{_process.StartInfo.FileName} {state}. Its last words:\n{string.Join('\n', _lastLines)}");
            }
            catch (StompFailureException)
            {
                await Task.Delay(RetryTime, TimeProvider.System, cancellationToken);
            }
        }
    }

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is { Length: > 0 } text)
        {
            _lastLines.Enqueue(text);
            while (_lastLines.Count > KeptLines)
            {
                _lastLines.TryDequeue(out _);
            }
        }
    }
}
