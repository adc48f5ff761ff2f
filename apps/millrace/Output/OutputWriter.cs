using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Millrace.App.Output;

/// <summary>
/// What a command prints: bytes and lines for people and pipes, or JSON objects, one a line. Buffered; written out by <see cref="Flush"/> and on disposal.
/// Not safe for concurrent use.
/// </summary>
internal sealed class OutputWriter(Stream stream, bool isJson) : IDisposable
{
    private const int FlushBytes = 64 * 1024;

    // The output goes to terminals and other programs, never into a page: letters stay letters.
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ArrayBufferWriter<byte> _buffer = new(FlushBytes);
    private Utf8JsonWriter? _json;

    /// <summary>Whether the user asked for JSON.</summary>
    public bool IsJson { get; } = isJson;

    public void WriteLine(string line)
    {
        Encoding.UTF8.GetBytes(line, _buffer);
        EndLine();
    }

    /// <summary>Writes bytes as they are, and ends the line.</summary>
    public void WriteLine(ReadOnlySpan<byte> line)
    {
        _buffer.Write(line);
        EndLine();
    }

    /// <summary>Writes one JSON object.</summary>
    public void WriteObject(Action<Utf8JsonWriter> writeMembers)
    {
        _json ??= new Utf8JsonWriter(_buffer, WriterOptions);
        _json.WriteStartObject();
        writeMembers(_json);
        _json.WriteEndObject();
        _json.Flush();
        _json.Reset();
        EndLine();
    }

    public void Flush()
    {
        if (_buffer.WrittenCount > 0)
        {
            // Cleared first: what a closed pipe refused must not be written again on disposal.
            var bytes = _buffer.WrittenMemory;
            _buffer.ResetWrittenCount();
            stream.Write(bytes.Span);
            stream.Flush();
        }
    }

    public void Dispose()
    {
        Flush();
        _json?.Dispose();
    }

    private void EndLine()
    {
        _buffer.Write("\n"u8);
        if (_buffer.WrittenCount >= FlushBytes)
        {
            Flush();
        }
    }
}
