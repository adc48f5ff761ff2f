using System.Runtime.InteropServices;

namespace Millrace.App.Bench;

/// <summary>
/// Calls senders at a steady rate, whatever they and the store do: a call that finds no sender free waits for one. On a thread of its own that sleeps by the
/// kernel's fine clock, for timers come in steps of a millisecond; a call is late by about as much as a thread takes to wake.
/// </summary>
internal sealed partial class Pacer : IDisposable
{
    private static readonly TimeSpan FineSleep = TimeSpan.FromMilliseconds(20);

    private readonly SemaphoreSlim _calls = new(0);
    private readonly ManualResetEventSlim _stopped = new();
    private readonly TimeProvider _timeProvider;
    private readonly Thread _thread;

    /// <summary>Starts to call.</summary>
    /// <param name="phase">What is to be sent.</param>
    /// <param name="plan">At which rate, and for how many senders, each of which is called once more at the end.</param>
    /// <param name="rate">Messages per second.</param>
    /// <param name="timeProvider">The clock.</param>
    public Pacer(SendPhase phase, BenchPlan plan, double rate, TimeProvider timeProvider)
    {
        _timeProvider = timeProvider;
        _thread = new Thread(() => Run(phase, plan, rate)) { IsBackground = true, Name = "pacer" };
        _thread.Start();
    }

    /// <summary>Waits to be called.</summary>
    public Task WaitAsync(CancellationToken cancellationToken) => _calls.WaitAsync(cancellationToken);

    public void Dispose()
    {
        _stopped.Set();
        _thread.Join();
        _stopped.Dispose();
        _calls.Dispose();
    }

    private void Run(SendPhase phase, BenchPlan plan, double rate)
    {
        var sends = phase.Sends;
        var interval = plan.Batch / rate * _timeProvider.TimestampFrequency;
        for (var i = 0L; i < sends && SleepUntil(phase.Start + (long)(i * interval)); i++)
        {
            _calls.Release();
        }

        _calls.Release(plan.Senders);
    }

    /// <summary>Sleeps; false when it was stopped.</summary>
    private bool SleepUntil(long timestamp)
    {
        while (true)
        {
            var left = _timeProvider.GetElapsedTime(_timeProvider.GetTimestamp(), timestamp);
            if (left <= TimeSpan.Zero || _stopped.IsSet)
            {
                return !_stopped.IsSet;
            }

            if (left > FineSleep || OperatingSystem.IsWindows())
            {
                _stopped.Wait(left > FineSleep ? left - (FineSleep / 2) : TimeSpan.FromMilliseconds(1));
            }
            else
            {
                var request = new TimeSpecification { Nanoseconds = (nint)left.TotalNanoseconds };
                _ = Sleep(in request, 0);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(in TimeSpecification request, nint remaining);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpecification
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
