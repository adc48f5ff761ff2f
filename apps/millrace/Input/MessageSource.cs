using System.Text;
using System.Text.Json;
using Millrace.Storage;

namespace Millrace.App.Input;

/// <summary>
/// Makes messages from an argument, a file or standard input, in batches. A batch is what has arrived, up to its bound: while one is being stored the next one
/// gathers, and a slow input is never kept waiting for a full batch. A file has all arrived.
/// </summary>
internal sealed class MessageSource(MessageRequest request, QueueCapabilities capabilities, Stream stream) : IAsyncDisposable
{
    // A server bounds its requests, and a batch is one: this and the largest body still fit, whatever they are encoded in.
    private const long MaxBatchBytes = 8 * 1024 * 1024;
    private const string JsonType = "application/json";
    private const string TextType = "text/plain";

    private readonly LineReader _lines = new(stream, capabilities.MaxBodyBytes);
    private readonly bool _hasAllArrived = stream.CanSeek;
    private bool _singleDone;

    /// <summary>The line that was read last; 0 for a single message.</summary>
    public long LineNumber => _lines.LineNumber;

    /// <summary>How many bytes of the input have been read.</summary>
    public long BytesRead => _lines.BytesRead;

    /// <summary>How many bytes the input has; null when nobody knows.</summary>
    public long? TotalBytes { get; } = stream.CanSeek ? stream.Length - stream.Position : null;

    /// <summary>Opens what the request names.</summary>
    public static MessageSource Open(MessageRequest request, QueueCapabilities capabilities, CliContext context)
    {
        if (request.Message is null && request.File is null && context.IsInputTerminal && context.IsErrorTerminal)
        {
            context.Error.WriteLine("Reading messages from the terminal, one a line; end with Ctrl-D.");
        }

        var stream = request.Message is not null ? Stream.Null
            : request.File is not null and not "-" ? new FileStream(request.File, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0)
            : context.Input;
        return new MessageSource(request, capabilities, stream);
    }

    /// <summary>Closes the input: nobody reads it after its messages have been made.</summary>
    public ValueTask DisposeAsync() => stream.DisposeAsync();

    /// <summary>The next batch; empty at the end.</summary>
    /// <exception cref="InvalidMessageException">A message is malformed or over a limit; names its line.</exception>
    public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
    {
        if (request.IsSingle)
        {
            return await ReadSingleAsync(cancellationToken);
        }

        var batch = new List<Envelope>();
        var bytes = 0L;
        while (batch.Count < request.BatchSize && bytes < MaxBatchBytes && !_lines.IsAtEnd)
        {
            if (_lines.TryRead(out var line))
            {
                AddLine(batch, line);
                bytes += line.Length;
            }
            else if (batch.Count > 0 && !_hasAllArrived)
            {
                break;
            }
            else
            {
                await _lines.FillAsync(cancellationToken);
            }
        }

        return batch;
    }

    private async ValueTask<IReadOnlyList<Envelope>> ReadSingleAsync(CancellationToken cancellationToken)
    {
        if (_singleDone)
        {
            return [];
        }

        _singleDone = true;
        var body = request.Message is null ? await ReadAllAsync(cancellationToken) : Encoding.UTF8.GetBytes(request.Message);
        var type = request.Message is null ? null : IsJson(body) ? JsonType : TextType;
        var envelope = request.Template with { Body = body, ContentType = request.Template.ContentType ?? type };
        EnvelopeRules.Require([envelope], capabilities);
        return [envelope];
    }

    private async ValueTask<byte[]> ReadAllAsync(CancellationToken cancellationToken)
    {
        var body = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellationToken).AsTask().WaitAsync(cancellationToken)) > 0)
        {
            body.Write(buffer, 0, read);
            if (body.Length > capabilities.MaxBodyBytes)
            {
                throw new InvalidMessageException($"The input is longer than {capabilities.MaxBodyBytes:N0} bytes, the limit of a message's body.");
            }
        }

        return body.ToArray();
    }

    private void AddLine(List<Envelope> batch, ReadOnlyMemory<byte> line)
    {
        var text = LineNumber == 1 && line.Span.StartsWith("\uFEFF"u8) ? line[3..] : line;
        if (!request.IsText && text.Span.IndexOfAnyExcept(" \t"u8) < 0)
        {
            return;
        }

        try
        {
            var envelope = request.IsText ? FromText(text) : FromJson(text);
            EnvelopeRules.Require([envelope], capabilities);
            batch.Add(envelope);
        }
        catch (JsonException exception)
        {
            var column = (exception.BytePositionInLine ?? 0) + 1;
            throw new InvalidMessageException($"Line {LineNumber:N0} is not JSON (at byte {column:N0}). Correct it, or send lines of any text with --text.", exception);
        }
        catch (InvalidMessageException exception)
        {
            throw new InvalidMessageException($"Line {LineNumber:N0}: {exception.Message}", exception);
        }
    }

    private Envelope FromText(ReadOnlyMemory<byte> line) =>
        request.Template with { Body = line.ToArray(), ContentType = request.Template.ContentType ?? TextType };

    private Envelope FromJson(ReadOnlyMemory<byte> line)
    {
        var (id, key) = JsonLine.Read(line.Span, request.IdField, request.KeyField);
        return request.Template with
        {
            Body = line.ToArray(),
            ContentType = request.Template.ContentType ?? JsonType,
            Id = request.IdField is null ? request.Template.Id : id is { Length: > 0 } ? new MessageId(id) : throw Missing(request.IdField, "id"),
            Key = request.KeyField is null ? request.Template.Key : key ?? throw Missing(request.KeyField, "key"),
        };
    }

    private static InvalidMessageException Missing(string field, string what) =>
        new($"it has no property '{field}' with a text or number to take its {what} from.");

    private static bool IsJson(ReadOnlySpan<byte> body)
    {
        try
        {
            JsonLine.Read(body, null, null);
            return body.Length > 0;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
