using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Millrace.Queues;
using Millrace.Storage;

namespace Millrace.App.Exec;

/// <summary>
/// Handles a message by running a command in the shell: the body is its standard input, what is known of the message its environment, its exit code the verdict.
/// Safe for concurrent use.
/// </summary>
/// <param name="command">The command line for <c>/bin/sh -c</c>.</param>
/// <param name="queue">The queue, for the environment.</param>
/// <param name="error">Where the command's error stream is repeated; safe for concurrent use.</param>
/// <param name="timeProvider">The clock.</param>
/// <param name="stopping">Ends when the worker has been asked to stop.</param>
internal sealed class ShellHandler(string command, string queue, TextWriter error, TimeProvider timeProvider, CancellationToken stopping)
{
    /// <summary>EX_DATAERR of sysexits.h: the message itself is wrong, and no later attempt would find it better.</summary>
    public const int RejectedExitCode = 65;

    /// <summary>The reason on dead letters that a command rejected.</summary>
    public const string RejectedReason = "rejected";

    private const int CannotExecuteExitCode = 126;
    private const int NotFoundExitCode = 127;
    private const int SignalBase = 128;
    private const int LastSignal = 64;
    private const int InterruptExitCode = SignalBase + 2;
    private const int TerminateExitCode = SignalBase + 15;

    // A process that the command left in the background may hold the error stream open for ever.
    private static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs the command for one message. When <paramref name="cancellationToken"/> ends, the command is killed with its children.</summary>
    /// <exception cref="CommandNotRunnableException">The shell could not find or start the command, so that no message can be handled.</exception>
    public async ValueTask<HandlingResult> HandleAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        using var process = new Process { StartInfo = CreateStartInfo(delivery) };
        try
        {
            process.Start();
        }
        catch (Win32Exception exception)
        {
            throw new CommandNotRunnableException(command, exception.Message);
        }

        var tail = new ErrorTail(process.StandardError.BaseStream, error);
        try
        {
            await WriteBodyAsync(process, delivery.Message.Body, cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        await Task.WhenAny(tail.Completion, Task.Delay(LastWords, timeProvider, CancellationToken.None));
        return Judge(process.ExitCode, tail.Text);
    }

    private HandlingResult Judge(int exitCode, string complaint) => exitCode switch
    {
        0 => HandlingResult.Complete,
        RejectedExitCode => HandlingResult.DeadLetter(RejectedReason, Describe(exitCode, complaint)),
        CannotExecuteExitCode or NotFoundExitCode => throw new CommandNotRunnableException(command, complaint),

        // Ctrl-C goes to every process of the terminal: the command did not fail, it was stopped with its worker.
        InterruptExitCode or TerminateExitCode when stopping.IsCancellationRequested => HandlingResult.Return,
        _ => HandlingResult.Fail(Describe(exitCode, complaint)),
    };

    private static string Describe(int exitCode, string complaint)
    {
        var verdict = exitCode is > SignalBase and <= SignalBase + LastSignal
            ? string.Create(CultureInfo.InvariantCulture, $"ended by signal {exitCode - SignalBase}")
            : string.Create(CultureInfo.InvariantCulture, $"exit code {exitCode}");
        return complaint.Length == 0 ? verdict : $"{verdict}: {complaint}";
    }

    private static async ValueTask WriteBodyAsync(Process process, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        try
        {
            await using var input = process.StandardInput.BaseStream;
            await input.WriteAsync(body, cancellationToken);
        }
        catch (IOException)
        {
            // A command may decide without reading its input to the end; its exit code says what it decided.
        }
    }

    private ProcessStartInfo CreateStartInfo(Delivery delivery)
    {
        var start = OperatingSystem.IsWindows()
            ? new ProcessStartInfo("cmd.exe") { ArgumentList = { "/d", "/c", command } }
            : new ProcessStartInfo("/bin/sh") { ArgumentList = { "-c", command } };
        start.UseShellExecute = false;
        start.RedirectStandardInput = true;
        start.RedirectStandardError = true;
        MessageEnvironment.Fill(start.Environment, queue, delivery);
        return start;
    }
}

/// <summary>The command of a worker cannot be run at all: a misspelt name must not cost every message its attempts.</summary>
internal sealed class CommandNotRunnableException(string command, string complaint)
    : MillraceConfigurationException($"The command '{command}' cannot be run{(complaint.Length == 0 ? "" : $": {complaint}")}. The worker has stopped; nothing was lost.");
