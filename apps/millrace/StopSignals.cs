using System.Runtime.InteropServices;

namespace Millrace.App;

/// <summary>
/// Turns the first SIGINT or SIGTERM into a cancellation, so that a command ends in order. The second one is left to the system and ends the process at once.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    private const int SignalExitBase = 128;

    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;
    private int _signal;

    public StopSignals()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => OnSignal(context, 2));
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => OnSignal(context, 15));
    }

    public CancellationToken Token => _stop.Token;

    /// <summary>What a shell expects of a process that a signal ended.</summary>
    public int ExitCode => SignalExitBase + Volatile.Read(ref _signal);

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _stop.Dispose();
    }

    private void OnSignal(PosixSignalContext context, int number)
    {
        if (Interlocked.CompareExchange(ref _signal, number, 0) == 0)
        {
            context.Cancel = true;
            _stop.Cancel();
        }
    }
}
