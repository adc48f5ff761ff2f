using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>The bytes of a stream of server-sent events: its beginning, its signs of life, and bodies as lines of data. Not safe for concurrent use.</summary>
internal sealed class EventWriter(ApiCall call)
{
    private const int FlushBytes = 32 * 1024;
    private const string EventHeader = "event";

    private readonly PipeWriter _output = call.Context.Response.BodyWriter;
    private int _unflushed;

    /// <summary>Begins the answer, with a comment that says so.</summary>
    public async ValueTask BeginAsync(ReadOnlyMemory<byte> comment)
    {
        var response = call.Context.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";

        // For proxies that would gather an answer before they pass it on.
        response.Headers["X-Accel-Buffering"] = "no";
        Write(": "u8);
        Write(comment.Span);
        Write("\nretry: 2000\n\n"u8);
        await FlushAsync().ConfigureAwait(false);
    }

    /// <summary>Says that the stream is alive.</summary>
    public async ValueTask KeepAliveAsync()
    {
        Write(": still here\n\n"u8);
        await FlushAsync().ConfigureAwait(false);
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        _output.Write(bytes);
        _unflushed += bytes.Length;
    }

    public void Write(long number)
    {
        const int MostDigits = 20;
        System.Buffers.Text.Utf8Formatter.TryFormat(number, _output.GetSpan(MostDigits), out var written);
        _output.Advance(written);
        _unflushed += written;
    }

    /// <summary>Writes JSON in one line: the writer escapes every control character.</summary>
    public void WriteJson<T>(T value, Action<Utf8JsonWriter, T> write)
    {
        using var json = new Utf8JsonWriter(_output, WireJson.WriterOptions);
        write(json, value);
        json.Flush();
        _unflushed += (int)json.BytesCommitted;
    }

    /// <summary>
    /// Ends an event with a body: as a line <c>event</c> if its headers name a type, and a line <c>data</c> for each of its lines, so that nothing in it can begin a field. What is no
    /// UTF-8 comes in base64: no event carries bytes, and whoever wants them exactly asks for JSON.
    /// </summary>
    public void WriteBody(MessageHeaders? headers, ReadOnlySpan<byte> body)
    {
        if (!Utf8.IsValid(body))
        {
            Write("\nevent: base64\ndata: "u8);
            Write(Encoding.ASCII.GetBytes(Convert.ToBase64String(body)));
            Write("\n\n"u8);
            return;
        }

        if (headers is not null && headers.TryGetValue(EventHeader, out var type) && type.Length > 0 && !type.AsSpan().ContainsAny('\r', '\n', '\0'))
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

    /// <summary>Sends what has been written, if that is much.</summary>
    public ValueTask FlushIfMuchAsync() => _unflushed >= FlushBytes ? FlushAsync() : default;

    public async ValueTask FlushAsync()
    {
        _unflushed = 0;
        await _output.FlushAsync(call.Aborted).ConfigureAwait(false);
    }
}
