using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Primitives;
using Millrace.Configuration;
using Millrace.Serialization;
using Millrace.Server.Errors;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>One request to one instance: what it asks, read strictly, and how it is answered.</summary>
internal sealed class ApiCall(HttpContext context, ApiInstance instance)
{
    private const int FlushBytes = 64 * 1024;
    private const int PieceBytes = 32 * 1024;

    public HttpContext Context => context;

    public ApiInstance Instance => instance;

    public Caller Caller { get; } = Caller.Of(context);

    /// <summary>Ends when the client is gone.</summary>
    public CancellationToken Aborted => context.RequestAborted;

    /// <summary>What the caller was last refused; null when nothing was.</summary>
    public string? Refused { get; private set; }

    /// <summary>A name in the path, decoded once.</summary>
    public string Name(string parameter) => PercentEncoding.Decode((string)context.GetRouteValue(parameter)!, "The path");

    /// <summary>A queue in the path that the caller may treat so.</summary>
    public string Queue(Permission permission)
    {
        var queue = Name("queue");
        ResourceName.RequireQueue(queue);
        Require(permission, ResourceKind.Queue, queue);
        return queue;
    }

    /// <summary>A stream in the path that the caller may treat so.</summary>
    public string Stream(Permission permission)
    {
        var stream = Name("stream");
        ResourceName.Require(stream, "stream");
        Require(permission, ResourceKind.Stream, stream);
        return stream;
    }

    /// <summary>The number of a partition in the path.</summary>
    public int Partition() => int.TryParse(Name("partition"), NumberStyles.None, CultureInfo.InvariantCulture, out var partition) && partition < StreamPartitionContext.MaxPartitions
        ? partition
        : throw new WireFormatException($"A partition in the path is a whole number from 0 to {StreamPartitionContext.MaxPartitions - 1}.");

    /// <summary>A parameter of the query string; null when it is absent.</summary>
    public string? Query(string name)
    {
        var values = context.Request.Query[name];
        return values.Count switch
        {
            0 => null,
            1 => values[0],
            _ => throw new WireFormatException($"The parameter '{name}' stands {values.Count} times in the query."),
        };
    }

    public long Query(string name, long defaultValue, long minimum, long maximum)
    {
        var text = Query(name);
        if (text is null)
        {
            return defaultValue;
        }

        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= minimum && value <= maximum
            ? value
            : throw new WireFormatException(string.Create(CultureInfo.InvariantCulture, $"The parameter '{name}' must be a whole number from {minimum} to {maximum}."));
    }

    /// <summary>How long the client would wait, at most as long as the server lets it.</summary>
    public TimeSpan Wait(long milliseconds) => TimeSpan.FromMilliseconds(Math.Min(milliseconds, (long)instance.Limits.MaxWait.TotalMilliseconds));

    /// <summary>Tells a client that waits to ask again when the server serves again.</summary>
    /// <exception cref="BackendUnavailableException">The server is stopping.</exception>
    public void RequireServing()
    {
        if (instance.Stopping.IsCancellationRequested)
        {
            throw new BackendUnavailableException("The server is stopping. Ask again, here or another node.");
        }
    }

    /// <summary>Refuses parameters of the query that nobody reads.</summary>
    public void RequireQuery(ApiParameter[] known)
    {
        _ = PercentEncoding.Decode(context.Request.QueryString.Value ?? "", "The query");
        foreach (var (name, _) in context.Request.Query)
        {
            if (!Array.Exists(known, parameter => parameter.Name == name))
            {
                var names = Array.ConvertAll(known, parameter => parameter.Name);
                var allowed = names.Length == 0 ? "there are none" : "there are " + string.Join(", ", names);
                var meant = NearestName.Of(name, names) is { } nearest ? $" Did you mean '{nearest}'?" : "";
                throw new WireFormatException($"This request has no parameter '{Shown(name)}': {allowed}.{meant}");
            }
        }
    }

    /// <exception cref="AccessDeniedException">The caller may not.</exception>
    public void Require(Permission permission, ResourceKind kind, string name)
    {
        if (!Caller.May(permission, kind, name))
        {
            throw Denied(permission, kind, name);
        }
    }

    /// <summary>For what concerns the whole node.</summary>
    /// <exception cref="AccessDeniedException">The caller is no administrator.</exception>
    public void RequireAdministrator()
    {
        if (!Caller.IsAdministrator)
        {
            throw new AccessDeniedException($"The user '{Caller.Name}' is no administrator of this node.");
        }
    }

    public AccessDeniedException Denied(Permission permission, ResourceKind kind, string name)
    {
        Refused = name;
        return new($"The user '{Caller.Name}' has no permission to {permission.ToString().ToLowerInvariant()} for {kind.ToString().ToLowerInvariant()} '{Shown(name)}'.");
    }

    /// <summary>The whole body. The caller disposes it.</summary>
    public async ValueTask<PooledBuffer> ReadBodyAsync()
    {
        var request = context.Request;
        if (!StringValues.IsNullOrEmpty(request.Headers.ContentEncoding))
        {
            throw new UnsupportedMediaException("A request's body must not be compressed (Content-Encoding).");
        }

        if (!StringValues.IsNullOrEmpty(request.Headers.TransferEncoding) && !"chunked".Equals(request.Headers.TransferEncoding, StringComparison.OrdinalIgnoreCase))
        {
            throw new BadHttpRequestException("A request's body must not be coded on its way but by 'Transfer-Encoding: chunked'.");
        }

        var body = new PooledBuffer();
        try
        {
            while (true)
            {
                // Ends by itself when the client is gone; a read that is cancelled could not be followed by the server's own, which passes over the rest.
                var read = await request.BodyReader.ReadAsync(CancellationToken.None).ConfigureAwait(false);
                foreach (var segment in read.Buffer)
                {
                    segment.Span.CopyTo(body.GetSpan(segment.Length));
                    body.Advance(segment.Length);
                }

                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return body;
                }
            }
        }
        catch (IOException exception) when (exception is not (ConnectionResetException or BadHttpRequestException))
        {
            // What the server says of the length of a chunk that no number holds.
            body.Dispose();
            throw new BadHttpRequestException("The body's chunks cannot be read.", exception);
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <summary>Reads a JSON body; <paramref name="missing"/> stands for an empty one, if that is allowed.</summary>
    public async ValueTask<T> ReadJsonAsync<T>(WireRead<T> read, Func<T>? missing = null)
    {
        using var body = await ReadBodyAsync().ConfigureAwait(false);
        if (body.WrittenBytes == 0 && missing is not null)
        {
            return missing();
        }

        RequireJson();
        var json = new WireReader(body[..].Span, isStrict: true);
        var value = read(ref json);
        json.EndDocument();
        return value;
    }

    /// <summary>Answers with JSON that fits into memory.</summary>
    public async Task WriteAsync(int status, Action<Utf8JsonWriter> write)
    {
        using var body = new PooledBuffer();
        using (var json = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            write(json);
        }

        await WriteJsonAsync(status, body).ConfigureAwait(false);
    }

    /// <summary>Answers with JSON that has been written, and ends its line.</summary>
    public Task WriteJsonAsync(int status, PooledBuffer json)
    {
        json.Write(WireJson.LineEnd);
        return WriteAsync(status, "application/json", json[..]);
    }

    /// <summary>Answers with bytes.</summary>
    public async Task WriteAsync(int status, string contentType, ReadOnlyMemory<byte> body)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = contentType;
        response.ContentLength = body.Length;
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        var written = body.Length <= PieceBytes
            ? await response.BodyWriter.WriteAsync(body, Aborted).ConfigureAwait(false)
            : await WriteInPiecesAsync(response.BodyWriter, body).ConfigureAwait(false);
        if (written.IsCompleted)
        {
            // Whoever has leased something for this answer hands it back.
            throw new ConnectionAbortedException();
        }
    }

    // The server's own rule is about the average: who has taken megabytes at once might then take nothing for hours, with all that was leased for the answer.
    private async ValueTask<FlushResult> WriteInPiecesAsync(PipeWriter output, ReadOnlyMemory<byte> body)
    {
        using var stalled = CancellationTokenSource.CreateLinkedTokenSource(Aborted);
        var longest = instance.Limits.SlowTime + TimeSpan.FromSeconds(PieceBytes / instance.Limits.MinBytesPerSecond);
        try
        {
            while (!body.IsEmpty)
            {
                var piece = body[..Math.Min(body.Length, PieceBytes)];
                body = body[piece.Length..];
                stalled.CancelAfter(longest);
                if (await output.WriteAsync(piece, stalled.Token).ConfigureAwait(false) is { IsCompleted: true } ended)
                {
                    return ended;
                }
            }

            // A write that waits for the client also ends, and says nothing, when the connection does; the next one tells.
            return await output.FlushAsync(stalled.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (stalled.IsCancellationRequested)
        {
            context.Abort();
            throw new ConnectionAbortedException("The client takes nothing of the answer.", exception);
        }
    }

    /// <summary>Answers with JSON of any length, in pieces.</summary>
    public async Task StreamAsync<T>(IEnumerable<T> items, Action<Utf8JsonWriter> begin, Action<Utf8JsonWriter, T> writeItem, Action<Utf8JsonWriter> end)
    {
        var response = context.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/json";
        using var json = new Utf8JsonWriter(response.BodyWriter, WireJson.WriterOptions);
        begin(json);
        foreach (var item in items)
        {
            writeItem(json, item);
            if (json.BytesPending + json.BytesCommitted >= FlushBytes)
            {
                await json.FlushAsync(Aborted).ConfigureAwait(false);
                await response.BodyWriter.FlushAsync(Aborted).ConfigureAwait(false);
            }
        }

        end(json);
        await json.FlushAsync(Aborted).ConfigureAwait(false);
        response.BodyWriter.Write(WireJson.LineEnd);
    }

    /// <summary>Answers that there is nothing to say.</summary>
    public Task NoContentAsync()
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    /// <summary>Answers with a problem.</summary>
    public Task ProblemAsync(WireProblem problem) => ProblemAnswer.WriteAsync(context, problem);

    /// <summary>Answers that no further subscription fits.</summary>
    public Task TooManySubscriptionsAsync() => ProblemAsync(new(
        ProblemMap.TooManyOpen,
        503,
        "Too many subscriptions",
        $"There are {instance.Limits.MaxSubscriptions:N0} subscriptions open, which is the most that this server allows.")
    {
        IsTransient = true,
    });

    private void RequireJson()
    {
        var type = context.Request.ContentType.AsSpan();
        var end = type.IndexOf(';');
        var parameters = end < 0 ? default : type[(end + 1)..].Trim();
        type = (end < 0 ? type : type[..end]).Trim();
        var isUtf8 = parameters.IsEmpty
            || parameters.Equals("charset=utf-8", StringComparison.OrdinalIgnoreCase)
            || parameters.Equals("charset=\"utf-8\"", StringComparison.OrdinalIgnoreCase);
        if (!type.Equals("application/json", StringComparison.OrdinalIgnoreCase) || !isUtf8)
        {
            throw new UnsupportedMediaException("The body must be JSON in UTF-8: send the header 'Content-Type: application/json'.");
        }
    }

    /// <summary>A text of the client's, short enough to be repeated.</summary>
    public static string Shown(string text) => text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 60), "…");
}
