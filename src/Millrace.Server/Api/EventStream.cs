using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
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
    private const int FlushBytes = 32 * 1024;
    private const string EventHeader = "event";

    private readonly PipeWriter _output = call.Context.Response.BodyWriter;
    private long _droppedSaid;
    private int _unflushed;

    /// <summary>Runs until the client is gone, the server stops, the subscription ends, or its client may no longer have it; who then comes again is told why it may not.</summary>
    public async Task RunAsync(CancellationToken forbidden)
    {
        var response = call.Context.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";

        // For proxies that would gather an answer before they pass it on.
        response.Headers["X-Accel-Buffering"] = "no";
        Write(": subscribed\nretry: 2000\n\n"u8);
        await FlushAsync().ConfigureAwait(false);

        // Ending the subscription ends a read that waits; what it held is freed.
        using var gone = EndAt(call.Aborted);
        using var stopping = EndAt(call.Instance.Stopping);
        using var lost = EndAt(forbidden);
        var messages = new ChannelMessage[BatchSize];
        var quiet = new CancellationTokenSource();
        try
        {
            while (true)
            {
                if (!quiet.TryReset())
                {
                    quiet.Dispose();
                    quiet = new CancellationTokenSource();
                }

                quiet.CancelAfter(EventNames.KeepAlive);
                int count;
                try
                {
                    count = await subscription.ReadAsync(messages, quiet.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (quiet.IsCancellationRequested)
                {
                    Write(": still here\n\n"u8);
                    await FlushAsync().ConfigureAwait(false);
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

    private CancellationTokenRegistration EndAt(CancellationToken token) =>
        token.UnsafeRegister(static state => _ = ((IChannelSubscription)state!).DisposeAsync().AsTask(), subscription);

    private async ValueTask WriteAsync(ReadOnlyMemory<ChannelMessage> messages)
    {
        for (var i = 0; i < messages.Length; i++)
        {
            WriteMessage(messages.Span[i]);
            if (_unflushed >= FlushBytes)
            {
                await FlushAsync().ConfigureAwait(false);
            }
        }

        var dropped = subscription.Stats.Dropped;
        if (dropped > _droppedSaid)
        {
            Write("event: dropped\ndata: "u8);
            Write(dropped - _droppedSaid);
            Write("\n\n"u8);
            _droppedSaid = dropped;
        }

        await FlushAsync().ConfigureAwait(false);
    }

    private async ValueTask EndAsync()
    {
        if (subscription.Stats.Disconnected)
        {
            Write("event: disconnected\ndata: the subscriber was too slow\n\n"u8);
            await FlushAsync().ConfigureAwait(false);
        }
    }

    private void WriteMessage(ChannelMessage message)
    {
        Write("id: "u8);
        Write(message.Id.Major);
        Write("-"u8);
        Write(message.Id.Minor);
        if (message.IsGap)
        {
            Write("\nevent: gap"u8);
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
        // One line: the writer escapes every control character.
        Write("\ndata: "u8);
        using (var json = new Utf8JsonWriter(_output, WireJson.WriterOptions))
        {
            ChannelMessageWire.Write(json, message);
            json.Flush();
            _unflushed += (int)json.BytesCommitted;
        }

        Write("\n\n"u8);
    }

    private void WriteText(ChannelMessage message)
    {
        if (message.IsGap)
        {
            Write("\ndata: messages are missing here\n\n"u8);
            return;
        }

        var body = message.Body.Span;
        if (!Utf8.IsValid(body))
        {
            // No event carries bytes: whoever wants them exactly asks for JSON.
            Write("\nevent: base64\ndata: "u8);
            Write(Encoding.ASCII.GetBytes(Convert.ToBase64String(body)));
            Write("\n\n"u8);
            return;
        }

        if (message.Headers.TryGetValue(EventHeader, out var type) && type.Length > 0 && !type.AsSpan().ContainsAny('\r', '\n', '\0'))
        {
            Write("\nevent: "u8);
            Write(Encoding.UTF8.GetBytes(type));
        }

        while (true)
        {
            var end = body.IndexOfAny((byte)'\r', (byte)'\n');
            Write("\ndata: "u8);
            Write(end < 0 ? body : body[..end]);
            if (end < 0)
            {
                break;
            }

            body = body[(end + (body[end..].StartsWith("\r\n"u8) ? 2 : 1))..];
        }

        Write("\n\n"u8);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _output.Write(bytes);
        _unflushed += bytes.Length;
    }

    private void Write(long number)
    {
        const int MostDigits = 20;
        System.Buffers.Text.Utf8Formatter.TryFormat(number, _output.GetSpan(MostDigits), out var written);
        _output.Advance(written);
        _unflushed += written;
    }

    private async ValueTask FlushAsync()
    {
        _unflushed = 0;
        await _output.FlushAsync(call.Aborted).ConfigureAwait(false);
    }
}
