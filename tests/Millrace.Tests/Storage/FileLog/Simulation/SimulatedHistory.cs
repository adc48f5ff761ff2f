using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Storage.InMemory;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>
/// One history of the backend <c>file:</c> on a simulated disk. Whatever is done to it is done to the backend <c>memory:</c> too, which forgets nothing, and the answers are compared. After each
/// crash the file backend is opened again, and must hold what the other one has: with the operation that the crash interrupted, or without it, but whole.
/// </summary>
/// <remarks>
/// A history is exact, or not. In an exact one the process is killed, and what it wrote is there to the last attempt. In others the power is cut, changes fail, and the disk is full at times;
/// then attempts are not compared, because leases are not flushed.
/// </remarks>
internal sealed class SimulatedHistory : IAsyncDisposable
{
    private const int ShownSteps = 40;

    private readonly Random _random;
    private readonly SimulatedFileSystem _disk;
    private readonly ManualTimeProvider _clock = new();
    private readonly List<SimulatedStep> _done = [];
    private readonly List<string> _log = [];
    private readonly SimulatedSteps _steps;
    private readonly bool _isExact;
    private readonly FileBackendOptions _options;
    private PoweredDisk _power;
    private SimulatedSide? _real;
    private SimulatedSide? _twin;
    private ManualTimeProvider _twinClock = new();
    private long _lastToken;
    private readonly HashSet<(string Key, long Version)> _versions = [];

    public SimulatedHistory(int seed)
    {
        _random = new Random(seed);
        _disk = new SimulatedFileSystem(new Random(seed)) { WritesShort = _random.Next(4) == 0 };
        _power = new PoweredDisk(_disk);
        _isExact = _random.Next(3) == 0;
        _steps = new SimulatedSteps(_random, _isExact);
        var memory = _random.Next(3) switch
        {
            0 => 0,
            1 => 2000,
            _ => 1_000_000,
        };
        _options = FileBackendOptions.Parse(BackendUrl.Parse($"file:///millrace-simulated/data?segmentBytes={_random.Next(1, 17) * 1024}&memoryBytes={memory}"));
    }

    /// <summary>The latest steps, for a failure's message.</summary>
    public string Log => string.Join('\n', _log.TakeLast(ShownSteps));

    public async Task RunAsync(int steps)
    {
        _real = await OpenAsync();
        _twin = await OpenTwinAsync();
        foreach (var step in _steps.First())
        {
            await StepAsync(step);
        }

        for (var i = 0; i < steps; i++)
        {
            PlanFaults();
            await StepAsync(_steps.Next(_twin.DeliveryCount));
            if (_random.Next(12) == 0)
            {
                await TakeLockAsync();
            }

            if (_random.Next(20) == 0)
            {
                await ReopenAsync(null);
            }
        }

        _disk.Capacity = long.MaxValue;
        await ReopenAsync(null);
        await DrainAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _power.Cut();
        await ((FileBackend)_real!.Backend).AbandonAsync();
        await _twin!.DisposeAsync();
    }

    private void PlanFaults()
    {
        if (_isExact)
        {
            return;
        }

        switch (_random.Next(40))
        {
            case 0:
                Note("the power will be cut");
                _power.CutAfter(_random.Next(1, 40));
                break;
            case 1:
                Note("a change will fail");
                _power.FailAfter(_random.Next(1, 40));
                break;
            case 2:
                Note("the disk is filling up");
                _disk.Capacity = _disk.Used + _random.Next(8 * 1024);
                break;
            case 3 or 4:
                Note("there is space again");
                _disk.Capacity = long.MaxValue;
                break;
        }
    }

    /// <summary>Does a step to both stores.</summary>
    private async Task StepAsync(SimulatedStep step)
    {
        Note(step.Text);
        _clock.Advance(step.Advances);
        string? answer = null;
        try
        {
            answer = await AnswerAsync(_real!, step);
        }
        catch (BackendUnavailableException fault)
        {
            Note($"  {fault.Message}");
            if (_power.IsOff || _power.HasFailed)
            {
                await ReopenAsync(step);
                return;
            }

            Assert.False(fault.MayHaveBeenApplied, $"A full disk leaves nothing open: {fault.Message}");
            Assert.True(_disk.Capacity < long.MaxValue, $"The disk is neither full nor broken: {fault}");
            _twinClock.Advance(step.Advances);
            _done.Add(new SimulatedStep("time", _ => Task.FromResult("")) { Advances = step.Advances });
            return;
        }

        _twinClock.Advance(step.Advances);
        Assert.Equal(await AnswerAsync(_twin!, step), answer);
        _done.Add(step);
        if (_random.Next(10) == 0 && !_power.IsOff && !_power.HasFailed && _disk.Capacity == long.MaxValue)
        {
            await CompareAsync();
        }
    }

    private async Task CompareAsync()
    {
        try
        {
            Assert.Equal(await _twin!.DumpAsync(SimulatedSteps.AllQueues), await _real!.DumpAsync(SimulatedSteps.AllQueues));
        }
        catch (BackendUnavailableException) when (_power.IsOff || _power.HasFailed)
        {
            await ReopenAsync(null);
        }
    }

    /// <summary>Ends the run of the file backend, opens it again, and finds out with the twin what it holds.</summary>
    /// <param name="interrupted">The step that may have happened or not; null when there was none.</param>
    private async Task ReopenAsync(SimulatedStep? interrupted)
    {
        await EndRunAsync(interrupted);
        _power = new PoweredDisk(_disk);
        _real = await OpenAsync();
        await EndTwinLeasesAsync();
        if (_disk.Capacity < long.MaxValue)
        {
            Note("there is space again");
            _disk.Capacity = long.MaxValue;
        }

        var found = await _real.DumpAsync(SimulatedSteps.AllQueues);
        var without = await _twin!.DumpAsync(SimulatedSteps.AllQueues);
        if (interrupted is not null && found != without)
        {
            // The last of what the twin did was to end the leases: once more, with the step before it.
            await RebuildTwinAsync([.. _done[..^1], interrupted, _done[^1]]);
            Note("it has happened");
            var with = await _twin.DumpAsync(SimulatedSteps.AllQueues);
            Assert.True(found == with, $"Found:\n{found}\nWithout the step:\n{without}\nWith it:\n{with}");
        }
        else
        {
            Assert.Equal(without, found);
            if (interrupted is { Advances.Ticks: > 0 })
            {
                await RebuildTwinAsync([.. _done, new SimulatedStep("time", _ => Task.FromResult("")) { Advances = interrupted.Advances }]);
            }
        }

        var unknown = _real.Level(_twin);
        var forget = new SimulatedStep("forget ids", side =>
        {
            side.Forget(unknown);
            return Task.FromResult("");
        });
        await forget.RunAsync(_twin);
        _done.Add(forget);
        foreach (var step in SimulatedSteps.OpenReceivers())
        {
            await StepAsync(step);
        }

        if (interrupted is { IsRepeated: true })
        {
            await StepAsync(interrupted);
        }
    }

    private async Task EndRunAsync(SimulatedStep? interrupted)
    {
        var backend = (FileBackend)_real!.Backend;
        if (!_isExact && (_power.IsOff || _random.Next(2) == 0))
        {
            Note("power cut");
            _power.Cut();
            await backend.AbandonAsync();
            _disk.Crash();
        }
        else if (_random.Next(2) == 0 && interrupted is null)
        {
            Note("close");
            await backend.DisposeAsync();
            if (_power.IsOff)
            {
                _disk.Crash();
            }
        }
        else
        {
            Note("kill");
            if (_isExact)
            {
                // What is neither waited for nor written yet is of no promise.
                await _real.PutAsync("written", "", expectsRight: true);
                await _twin!.PutAsync("written", "", expectsRight: true);
                _done.Add(new SimulatedStep("put written", side => side.PutAsync("written", "", expectsRight: true)));
            }

            await backend.AbandonAsync();
        }
    }

    private async Task EndTwinLeasesAsync()
    {
        var end = new SimulatedStep("end all leases", async side =>
        {
            await side.EndLeasesAsync();
            return "";
        });
        await end.RunAsync(_twin!);
        _done.Add(end);
    }

    private async Task RebuildTwinAsync(SimulatedStep[] steps)
    {
        await _twin!.DisposeAsync();
        _twinClock = new ManualTimeProvider();
        _twin = await OpenTwinAsync();
        _done.Clear();
        foreach (var step in steps)
        {
            _twinClock.Advance(step.Advances);
            await AnswerAsync(_twin, step);
            _done.Add(step);
        }
    }

    /// <summary>Fencing tokens only rise, and versions of a document are never given twice.</summary>
    private async Task TakeLockAsync()
    {
        try
        {
            var name = $"lock{_random.Next(3)}";
            if (await _real!.Backend.Locks!.TryAcquireAsync(name, "owner", TimeSpan.FromSeconds(5)) is { } grant)
            {
                Assert.True(grant.FencingToken >= _lastToken, $"Token {grant.FencingToken} came after {_lastToken}.");
                _lastToken = await _real.Backend.Locks.ReleaseAsync(name, "owner", grant.FencingToken) ? grant.FencingToken + 1 : _lastToken;
            }

            var written = await _real.Backend.State!.GetAsync($"doc{_random.Next(4)}");
            if (written is not null)
            {
                _versions.Add((written.Key, written.Version));
            }
        }
        catch (BackendUnavailableException fault)
        {
            Note($"  lock: {fault.Message}");
            if (_power.IsOff || _power.HasFailed)
            {
                await ReopenAsync(null);
            }
        }
    }

    /// <summary>Everything is taken, in the order of the laws.</summary>
    private async Task DrainAsync()
    {
        _clock.Advance(TimeSpan.FromMinutes(2));
        _twinClock.Advance(TimeSpan.FromMinutes(2));
        foreach (var (receiver, _) in new[] { (1, "a"), (2, "b"), (3, "c") })
        {
            string answer;
            do
            {
                answer = await _real!.LeaseAsync(receiver, 10);
                Assert.Equal(await _twin!.LeaseAsync(receiver, 10), answer);
                var latest = Enumerable.Range(Math.Max(0, _twin.DeliveryCount - 10), Math.Min(10, _twin.DeliveryCount));
                (int, Func<LeaseToken, Settlement>)[] all = [.. latest.Select(number => (number, (Func<LeaseToken, Settlement>)Settlement.Complete))];
                await _real.SettleAsync(all);
                await _twin.SettleAsync(all);
            }
            while (answer.Length > 0);
        }
    }

    private async Task<SimulatedSide> OpenAsync() =>
        new SimulatedSide(await FileBackend.OpenAsync(_power, _options, new BackendContext { TimeProvider = _clock }), _isExact).After(_real);

    private async Task<SimulatedSide> OpenTwinAsync() =>
        new(await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext { TimeProvider = _twinClock }, default), _isExact);

    private static async Task<string> AnswerAsync(SimulatedSide side, SimulatedStep step)
    {
        try
        {
            return await step.RunAsync(side);
        }
        catch (Exception fault) when (fault is QueueFullException or QueueNotFoundException or InvalidMessageException)
        {
            return fault.GetType().Name;
        }
    }

    private void Note(string what) => _log.Add(what);
}
