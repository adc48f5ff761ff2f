using System.Globalization;
using System.Net;
using System.Security.Authentication;
using Microsoft.Extensions.Logging;
using Millrace.Hosting;
using Millrace.Serialization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>
/// The connections to one server, pooled by the framework. Turns answers and cut connections into the exceptions of a local store, and repeats a request that has not reached the
/// server (or that can be repeated) until <see cref="HttpOptions.RetryTime"/> has passed. Safe for concurrent use.
/// </summary>
internal sealed class ApiConnection : IAsyncDisposable
{
    private const int SmallAnswer = 16 * 1024;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly HttpMessageInvoker _client;
    private readonly CancellationTokenSource _closing = new();
    private readonly ServerTrust _trust;

    public ApiConnection(HttpOptions options, BackendContext context)
    {
        Options = options;
        TimeProvider = context.TimeProvider;
        Logger = context.LoggerFactory.CreateLogger("Millrace.Storage.Http");
        _client = new HttpMessageInvoker(CreateHandler(options, _trust = new ServerTrust(options.Authorities)), disposeHandler: true);
    }

    public HttpOptions Options { get; }

    public TimeProvider TimeProvider { get; }

    public ILogger Logger { get; }

    /// <summary>Ends when the backend is being closed.</summary>
    public CancellationToken Closing => _closing.Token;

    /// <summary>Sends a request; throws what the server says is wrong.</summary>
    public async ValueTask<ApiAnswer> SendAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        var answer = await ExchangeAsync(request, retries: true, cancellationToken).ConfigureAwait(false);
        return answer.Problem is null ? answer : throw Fault(answer);
    }

    /// <summary>Sends a request; the answer may be a problem.</summary>
    /// <param name="request">The request.</param>
    /// <param name="retries">Whether to ride out a server that cannot be reached.</param>
    /// <param name="cancellationToken">Cuts the request off; it may have been carried out all the same.</param>
    public async ValueTask<ApiAnswer> ExchangeAsync(ApiRequest request, bool retries, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
        var started = TimeProvider.GetTimestamp();
        Backoff? backoff = null;
        while (true)
        {
            BackendUnavailableException fault;
            try
            {
                var answer = await SendOnceAsync(request, cancellationToken).ConfigureAwait(false);
                if (answer.Problem is not { Status: 503, IsTransient: true } problem || (problem.MayHaveBeenApplied && !request.IsRepeatable))
                {
                    return answer;
                }

                fault = (BackendUnavailableException)Fault(answer);
            }
            catch (BackendUnavailableException exception) when (request.IsRepeatable || !exception.MayHaveBeenApplied)
            {
                fault = exception;
            }

            if (!retries || TimeProvider.GetElapsedTime(started) >= Options.RetryTime)
            {
                throw fault;
            }

            backoff ??= new Backoff(FirstPause, LongestPause);
            await PauseAsync(backoff.Next(), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Opens a stream of events. The caller disposes the response.</summary>
    public async ValueTask<HttpResponseMessage> OpenStreamAsync(string path, string? lastEventId, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
        using var message = Create(new ApiRequest(HttpMethod.Get, path), content: null);
        message.Headers.Accept.ParseAdd("text/event-stream");
        if (lastEventId is not null)
        {
            message.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        }

        using var deadline = Deadline(TimeSpan.Zero, cancellationToken);
        HttpResponseMessage response;
        try
        {
            response = await _client.SendAsync(message, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            throw Unreachable(exception, cancellationToken);
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            using var answer = await ReadAsync(response, deadline.Token).ConfigureAwait(false);
            throw Fault(answer);
        }
    }

    /// <summary>The exception for an answer that is a problem; disposes the answer.</summary>
    public MillraceException Fault(ApiAnswer answer)
    {
        using (answer)
        {
            return ProblemMap.ToException(answer.Problem!, $"The server {Options.Server}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        _client.Dispose();
    }

    private async ValueTask<ApiAnswer> SendOnceAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        var content = request.Body is { } body ? new PooledContent(body, request.ContentType) : null;
        using var message = Create(request, content);
        using var deadline = Deadline(request.Wait, cancellationToken);
        try
        {
            using var response = await _client.SendAsync(message, deadline.Token).ConfigureAwait(false);
            return await ReadAsync(response, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            throw Unreachable(exception, cancellationToken);
        }
        finally
        {
            if (content is { Sent: false })
            {
                // Whoever still reads it must not find another request's bytes.
                request.Body!.Abandon();
            }
        }
    }

    private HttpRequestMessage Create(ApiRequest request, HttpContent? content)
    {
        // As it is written: a name such as '..' must not be taken for a step up.
        var uri = new Uri(Options.Root.AbsoluteUri + request.Path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var message = new HttpRequestMessage(request.Method, uri) { Content = content };
        if (Options.Authorization is { } authorization)
        {
            message.Headers.Authorization = authorization;
        }

        if (request.ExpectedVersion is IStateStore.Absent)
        {
            message.Headers.TryAddWithoutValidation("If-None-Match", "*");
        }
        else if (request.ExpectedVersion is { } version)
        {
            message.Headers.TryAddWithoutValidation("If-Match", $"\"{WireValues.Text(version)}\"");
        }

        return message;
    }

    private CancellationTokenSource Deadline(TimeSpan wait, CancellationToken cancellationToken)
    {
        // The network's time is the real one, whatever clock the backend was given.
        var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        deadline.CancelAfter(Options.Timeout + wait);
        return deadline;
    }

    private static async ValueTask<ApiAnswer> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var content = new PooledBuffer();
        try
        {
            if (response.StatusCode != HttpStatusCode.NoContent)
            {
                var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                var expected = (int)Math.Min(response.Content.Headers.ContentLength ?? SmallAnswer, Array.MaxLength - 1);
                while (true)
                {
                    var read = await stream.ReadAsync(content.GetMemory(Math.Max(expected - content.WrittenBytes, 0) + 1), cancellationToken).ConfigureAwait(false);
                    if (read == 0)
                    {
                        break;
                    }

                    content.Advance(read);
                }
            }

            var tag = response.Headers.ETag?.Tag.Trim('"');
            return new ApiAnswer(response.StatusCode, content, response.IsSuccessStatusCode ? null : ReadProblem(response, content))
            {
                Version = long.TryParse(tag, NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : null,
            };
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    private static WireProblem ReadProblem(HttpResponseMessage response, PooledBuffer content)
    {
        var status = (int)response.StatusCode;
        if (response.Content.Headers.ContentType?.MediaType == WireProblem.MediaType)
        {
            try
            {
                var json = new WireReader(content[..].Span, isStrict: false);
                return WireProblem.Read(ref json) with { Status = status };
            }
            catch (WireFormatException)
            {
                // What is no problem document is described by its status, as below.
            }
        }

        return new WireProblem("", status, "", string.Create(CultureInfo.InvariantCulture, $"it answers {status} {response.ReasonPhrase} and does not say why; is it a Millrace server?"))
        {
            IsTransient = status is 429 or 502 or 503 or 504,
        };
    }

    /// <summary>What a cut, a refused connection or a deadline means for the caller.</summary>
    private Exception Unreachable(Exception exception, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return new OperationCanceledException(exception.Message, exception, cancellationToken);
        }

        if (_closing.IsCancellationRequested)
        {
            return new ObjectDisposedException(nameof(HttpBackend), "The backend has been closed.");
        }

        return exception switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.ProxyTunnelError } =>
                new BackendUnavailableException(
                    $"The server {Options.Server} cannot be reached: {exception.Message}. Is it running there? 'millrace serve' starts one.", innerException: exception),
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError, InnerException: AuthenticationException refused } =>
                new MillraceConfigurationException(
                    $"The server {Options.Server} does not prove who it is: {_trust.Fault ?? refused.Message}".TrimEnd('.') + ". The option caFile names the certificate of its authority.", exception),
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } =>
                new BackendUnavailableException($"The server {Options.Server} ended the connection before it stood: {exception.InnerException?.Message ?? exception.Message}", innerException: exception),
            OperationCanceledException =>
                new BackendUnavailableException($"The server {Options.Server} has not answered in {Options.Timeout.TotalSeconds:0.###} s.", mayHaveBeenApplied: true, exception),
            _ => new BackendUnavailableException($"The connection to the server {Options.Server} was cut: {exception.Message}", mayHaveBeenApplied: true, exception),
        };
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        try
        {
            await Task.Delay(pause, TimeProvider, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(nameof(HttpBackend), "The backend has been closed.");
        }
    }

    private static SocketsHttpHandler CreateHandler(HttpOptions options, ServerTrust trust)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = options.ConnectTimeout,
            UseCookies = false,
            AllowAutoRedirect = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(60),
            ActivityHeadersPropagator = null,
        };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) => trust.Trusts(certificate, chain, errors);
        return handler;
    }
}
