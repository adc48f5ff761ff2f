using Millrace.App.Output;

namespace Millrace.App.Top;

/// <summary>The live table on a terminal: it reads, draws and listens at the same time, so that a store that does not answer does not hold up the keyboard.</summary>
internal sealed class LiveTop(TopReader reader, TopRequest request, string store, CliContext context)
{
    private readonly TimeProvider _timeProvider = context.TimeProvider;
    private long _readAt;
    private string? _fault;

    /// <summary>
    /// Runs until the user quits or <paramref name="cancellationToken"/> ends it. A first reading that fails, and a fault that will not pass, end it with that fault.
    /// </summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var latest = await ReadAsync(cancellationToken);
        _readAt = _timeProvider.GetTimestamp();
        using var screen = ScreenTerminal.Open(context.Output, context.IsInputTerminal);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<TopReading>? reading = null;
        try
        {
            var pause = PauseAsync(ending.Token);
            var happening = screen.Events.ReadAsync(ending.Token).AsTask();
            while (true)
            {
                screen.Draw(TopFrame.Compose(latest, request, store, DescribeTrouble(), ScreenTerminal.Size));
                var first = await Task.WhenAny(happening, pause, reading ?? pause);
                cancellationToken.ThrowIfCancellationRequested();
                if (first == happening)
                {
                    if (await happening == ScreenEvent.Quit)
                    {
                        return;
                    }

                    happening = screen.Events.ReadAsync(ending.Token).AsTask();
                }
                else if (first == reading)
                {
                    latest = await TakeAsync(reading) ?? latest;
                    reading = null;
                }
                else
                {
                    pause = PauseAsync(ending.Token);
                    reading ??= ReadAsync(ending.Token);
                }
            }
        }
        finally
        {
            // First, so that the user has the window back also where a call does not end at once.
            screen.Dispose();
            await ending.CancelAsync();
            await Task.WhenAll(reading is null ? [] : [(Task)reading]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // By name only what there is room for is needed; any other order needs all.
    private int Needed => request.Sort == TopColumn.Name
        ? Math.Min(request.Limit ?? int.MaxValue, TopFrame.RoomFor(ScreenTerminal.Size.Height))
        : TopReader.MaxQueues;

    // On the pool: the reads of an embedded store keep their caller.
    private Task<TopReading> ReadAsync(CancellationToken cancellationToken)
    {
        var needed = Needed;
        return Task.Run(() => reader.ReadAsync(needed, cancellationToken), cancellationToken);
    }

    private Task PauseAsync(CancellationToken cancellationToken) => Task.Delay(request.Interval, _timeProvider, cancellationToken);

    private async Task<TopReading?> TakeAsync(Task<TopReading> reading)
    {
        try
        {
            var taken = await reading;
            _readAt = _timeProvider.GetTimestamp();
            _fault = null;
            return taken;
        }
        catch (MillraceException exception) when (exception.IsTransient)
        {
            _fault = exception.Message.ReplaceLineEndings(" ");
            return null;
        }
    }

    private string? DescribeTrouble()
    {
        var age = _timeProvider.GetElapsedTime(_readAt);
        var isLate = age > (2 * request.Interval) + TimeSpan.FromSeconds(1);
        return (_fault, isLate) switch
        {
            (null, false) => null,
            (null, true) => $"The store has not answered for {MessageText.Duration(age)}.",
            _ => $"Not read for {MessageText.Duration(age)}: {_fault}",
        };
    }
}
