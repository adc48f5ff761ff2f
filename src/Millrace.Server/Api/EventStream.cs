using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>What stands in the data of an event.</summary>
internal enum EventFormat
{
    /// <summary>The message's body, for pages and people.</summary>
    Text,

    /// <summary>The whole message as one line of JSON, for programs.</summary>
    Json,
}

/// <summary>
/// Writes a subscription as server-sent events (HTML standard, 9.2): a line <c>id</c>, a line <c>event</c> where it is not a message, a line <c>data</c> for each line of the data, an
/// empty line. What comes from a message cannot begin a field: its line ends are split into further <c>data</c> lines.
/// </summary>
internal sealed class EventStream(ApiCall call, IChannelSubscription subscription, EventFormat format)
{
    private const int BatchSize = 64;

    private readonly EventWriter _output = new(call);
    private long _droppedSaid;

    /// <summary>Runs until the client is gone, the server stops, the subscription ends, or its client may no longer have it; who then comes again is told why it may not.</summary>
    public async Task RunAsync(CancellationToken forbidden)
    {
        await _output.BeginAsync("subscribed"u8.ToArray()).ConfigureAwait(false);

        // Ending the subscription ends a read that waits; what it held is freed.
        using var gone = EndAt(call.Aborted);
        using var stopping = EndAt(call.Instance.Stopping);
        using var lost = EndAt(forbidden);
        var messages = new ChannelMessage[BatchSize];
        var quiet = NewQuiet();
        try
        {
            while (true)
            {
                if (!quiet.TryReset())
                {
                    quiet.Dispose();
                    quiet = NewQuiet();
                }

                quiet.CancelAfter(EventNames.KeepAlive);
                int count;
                try
                {
                    count = await subscription.ReadAsync(messages, quiet.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (quiet.IsCancellationRequested)
                {
                    await _output.KeepAliveAsync().ConfigureAwait(false);
                    continue;
                }

                if (count == 0)
                {
                    await EndAsync().ConfigureAwait(false);
                    return;
                }

                await WriteAsync(messages.AsMemory(0, count)).ConfigureAwait(false);

                // They would live on until the next ones come, beside what the subscription's bound allows.
                Array.Clear(messages, 0, count);
            }
        }
        finally
        {
            quiet.Dispose();
        }
    }

    private CancellationTokenSource NewQuiet() => new(Timeout.InfiniteTimeSpan, call.Instance.TimeProvider);

    private CancellationTokenRegistration EndAt(CancellationToken token) =>
        token.UnsafeRegister(static state => _ = ((IChannelSubscription)state!).DisposeAsync().AsTask(), subscription);

    private async ValueTask WriteAsync(ReadOnlyMemory<ChannelMessage> messages)
    {
        for (var i = 0; i < messages.Length; i++)
        {
            WriteMessage(messages.Span[i]);
            await _output.FlushIfMuchAsync().ConfigureAwait(false);
        }

        var dropped = subscription.Stats.Dropped;
        if (dropped > _droppedSaid)
        {
            _output.Write("event: dropped\ndata: "u8);
            _output.Write(dropped - _droppedSaid);
            _output.Write("\n\n"u8);
            _droppedSaid = dropped;
        }

        await _output.FlushAsync().ConfigureAwait(false);
    }

    private async ValueTask EndAsync()
    {
        if (subscription.Stats.Disconnected)
        {
            _output.Write("event: disconnected\ndata: the subscriber was too slow\n\n"u8);
            await _output.FlushAsync().ConfigureAwait(false);
        }
    }

    private void WriteMessage(ChannelMessage message)
    {
        _output.Write("id: "u8);
        _output.Write(message.Id.Major);
        _output.Write("-"u8);
        _output.Write(message.Id.Minor);
        if (message.IsGap)
        {
            _output.Write("\nevent: gap"u8);
        }

        if (format == EventFormat.Json)
        {
            WriteJson(message);
        }
        else
        {
            WriteText(message);
        }
    }

    private void WriteJson(ChannelMessage message)
    {
        _output.Write("\ndata: "u8);
        _output.WriteJson(message, ChannelMessageWire.Write);
        _output.Write("\n\n"u8);
    }

    private void WriteText(ChannelMessage message)
    {
        if (message.IsGap)
        {
            _output.Write("\ndata: messages are missing here\n\n"u8);
        }
        else
        {
            _output.WriteBody(message.Headers, message.Body.Span);
        }
    }
}
