using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Threading.Channels;

namespace Millrace.Scheduling.Tests.Processes;

/// <summary>A process that fires and runs a schedule of every second, and says each run. Killed on disposal.</summary>
internal sealed class ScheduleWorkerProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ChannelWriter<BeatRun> _runs;
    private readonly Task _reading;
    private readonly Task<string> _errors;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ScheduleWorkerProcess(Process process, ChannelWriter<BeatRun> runs)
    {
        _process = process;
        _runs = runs;
        _errors = process.StandardError.ReadToEndAsync();
        _reading = ReadAsync();
    }

    public int Id => _process.Id;

    /// <summary>Starts one, and returns when it fires and runs.</summary>
    public static async Task<ScheduleWorkerProcess> StartAsync(string url, int leaseMs, ChannelWriter<BeatRun> runs, CancellationToken cancellationToken)
    {
        var path = typeof(ScheduleWorkerProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "ScheduleWorker").Value!;
        var process = Process.Start(new ProcessStartInfo(path, [url, leaseMs.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var worker = new ScheduleWorkerProcess(process, runs);
        if (await Task.WhenAny(worker._ready.Task, worker._reading).WaitAsync(cancellationToken) != worker._ready.Task)
        {
            throw new InvalidOperationException($"The worker has ended while it started: {await worker._errors}");
        }

        return worker;
    }

    /// <summary>Kills it with a signal that it cannot catch, and returns when all that it said has been read.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        await _reading;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line == "ready")
            {
                _ready.TrySetResult();
            }
            else if (line.Split(' ') is ["run", var due])
            {
                await _runs.WriteAsync(new BeatRun(DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(due, CultureInfo.InvariantCulture)), Id));
            }
        }
    }
}

/// <summary>A run that a process has said.</summary>
/// <param name="Due">The second that it was for.</param>
/// <param name="Process">Who ran it.</param>
internal sealed record BeatRun(DateTimeOffset Due, int Process);
