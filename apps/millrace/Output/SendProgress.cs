using Millrace.App.Input;
using Spectre.Console;

namespace Millrace.App.Output;

/// <summary>A progress bar on the terminal's error stream, for an input that is long enough to wait for.</summary>
internal sealed class SendProgress : IAsyncDisposable
{
    private const long ShownFromBytes = 1024 * 1024;

    private readonly MessageSource _source;
    private readonly ProgressTask _bar;
    private readonly Task _display;
    private readonly TaskCompletionSource _ended;

    private SendProgress(MessageSource source, ProgressTask bar, Task display, TaskCompletionSource ended) =>
        (_source, _bar, _display, _ended) = (source, bar, display, ended);

    /// <summary>Starts a bar; null where none belongs: no terminal, or an input that is short or has no known length.</summary>
    public static async ValueTask<SendProgress?> StartAsync(CliContext context, MessageSource source)
    {
        if (!context.IsErrorTerminal || source.TotalBytes is not { } total || total < ShownFromBytes)
        {
            return null;
        }

        var started = new TaskCompletionSource<ProgressTask>(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(context.Error) });
        var display = console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async progress =>
            {
                started.SetResult(progress.AddTask("Sending", maxValue: total));
                await ended.Task;
            });
        return new SendProgress(source, await started.Task, display, ended);
    }

    public void Report(long accepted)
    {
        _bar.Description = $"{accepted:N0} messages";
        _bar.Value = _source.BytesRead;
    }

    public async ValueTask DisposeAsync()
    {
        _ended.TrySetResult();
        await _display;
    }
}
