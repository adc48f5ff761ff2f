using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Millrace.Server.Tests.Api.Description;
using Millrace.Storage.Http.Wire;
using Xunit;

namespace Millrace.Server.Tests.Api.Fuzz;

/// <summary>Sends the requests of one generator one after the other, each with a deadline, and checks what comes back.</summary>
internal sealed class FuzzLane(ApiHost host, ServedDescription description, int seed) : IAsyncDisposable
{
    private static readonly string[] AllowedUnavailable = ["unavailable", "too-many-open"];

    private readonly SeenValues _seen = new();
    private readonly Random _random = new(seed);
    private FuzzGenerator? _generator;
    private RawConnection? _connection;
    private HttpClient? _http;

    /// <summary>How many answers had which status.</summary>
    public SortedDictionary<int, int> Statuses { get; } = [];

    public async Task RunAsync(int count)
    {
        _generator ??= new FuzzGenerator(description, _random, _seen);
        for (var i = 0; i < count; i++)
        {
            var request = _generator.Next();
            try
            {
                if (!request.IsBroken && !request.MayBeBare && !IsStream(request) && _random.Next(4) == 0)
                {
                    await SendByClientAsync(request);
                }
                else
                {
                    await SendRawAsync(request);
                }

                host.Log.RequireNoFault();
                await RequireNormalAsync();
            }
            catch (Exception exception) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
            {
                throw new InvalidOperationException($"Request {i} of the lane with the seed {seed} ({request.Replay()}) failed: {exception.Message}\n{host.Log}", exception);
            }
        }
    }

    /// <summary>Closes its connections. It can go on with new ones.</summary>
    public async ValueTask DisposeAsync()
    {
        _http?.Dispose();
        _http = null;
        await DropAsync();
    }

    // By a reset: tens of thousands of ports would wait for their time otherwise.
    private async ValueTask DropAsync()
    {
        _connection?.Reset();
        await (_connection?.DisposeAsync() ?? default);
        _connection = null;
    }

    private static bool IsStream(FuzzRequest request) => request.Target.Contains("/events", StringComparison.Ordinal);

    private async Task SendRawAsync(FuzzRequest request)
    {
        var connection = _connection ??= await RawConnection.OpenAsync(host.Address);
        var bytes = request.ToBytes();
        if (request.Cut is { } cut)
        {
            await connection.SendAsync(bytes.AsMemory(0, cut));
            if (_random.Next(2) == 0)
            {
                await DropAsync();
                return;
            }
        }
        else
        {
            await connection.SendAsync(bytes);
        }

        if (request.IsBroken)
        {
            // Neither side knows where the next request begins.
            connection.EndSending();
            while (await connection.ReadAsync(request.IsHead) is { IsStream: false } answer)
            {
                Check(request, answer.Status, answer.Headers.GetValueOrDefault("Content-Type"), answer.Body, isBroken: true);
            }

            await DropAsync();
            return;
        }

        var whole = await connection.ReadAsync(request.IsHead);
        while (whole is { Status: 100 })
        {
            whole = await connection.ReadAsync(request.IsHead);
        }

        Assert.True(whole is not null, "the connection was closed without an answer");
        Check(request, whole.Status, whole.Headers.GetValueOrDefault("Content-Type"), whole.Body, isBroken: false);
        if (whole.Closes || whole.IsStream)
        {
            await DropAsync();
        }
    }

    private async Task SendByClientAsync(FuzzRequest request)
    {
        using var message = new HttpRequestMessage(HttpMethod.Parse(request.Method), new Uri(host.Address, request.Target));
        message.Content = request.Body is null ? null : new ByteArrayContent(request.Body);
        foreach (var (name, value) in request.Headers)
        {
            if (name == "Content-Type")
            {
                message.Content!.Headers.ContentType = MediaTypeHeaderValue.Parse(value);
            }
            else
            {
                message.Headers.TryAddWithoutValidation(name, value);
            }
        }

        // What a uniform resource identifier makes of odd targets is not the server's.
        if (message.RequestUri!.PathAndQuery != request.Target)
        {
            await SendRawAsync(request);
            return;
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TestScale.Patience);
        _http ??= new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, AutomaticDecompression = DecompressionMethods.All });
        using var answer = await _http.SendAsync(message, deadline.Token);
        Check(request, (int)answer.StatusCode, answer.Content.Headers.ContentType?.ToString(), await answer.Content.ReadAsByteArrayAsync(deadline.Token), isBroken: false);
    }

    private void Check(FuzzRequest request, int status, string? type, byte[] body, bool isBroken)
    {
        Statuses[status] = Statuses.GetValueOrDefault(status) + 1;
        var operation = isBroken ? null : request.Operation;
        if (status >= 400)
        {
            CheckProblem(request, operation, status, type, Encoding.UTF8.GetString(body), isBroken);
        }
        else if (operation is not null)
        {
            Assert.True(operation.Answer(status) is not null, $"the status {status} is not described");
            // Records in bytes, for who asked for them, are no JSON.
            if (type != RecordBytes.MediaType && operation.Answer(status)!["content"]?["application/json"]?["schema"] is { } schema && schema.AsObject().Count > 0)
            {
                var json = JsonNode.Parse(body);
                Assert.Empty(new SchemaCheck(description).ErrorsOf(json, schema));
                Assert.DoesNotContain("\"code\":\"internal\"", json!.ToJsonString(), StringComparison.Ordinal);
                _seen.Learn(json);
            }
        }
    }

    private static void CheckProblem(FuzzRequest request, DescribedOperation? operation, int status, string? type, string text, bool isBroken)
    {
        if (text.Length == 0 && (request.MayBeBare || isBroken || request.IsHead))
        {
            Assert.True(status is < 500 or 505, $"a bare {status}");
            return;
        }

        var problem = Problem.Of(status, type, text);
        Assert.True(status < 500 || (status == 503 && AllowedUnavailable.Contains(problem.Code)), text);
        Assert.True(operation is null || operation.Problems.Contains(problem.Code), $"the problem '{problem.Code}' is not described: {text}");
    }

    private async Task RequireNormalAsync()
    {
        _connection ??= await RawConnection.OpenAsync(host.Address);
        await _connection.SendAsync($"GET {ApiHost.Root} HTTP/1.1\r\nHost: x\r\n\r\n");
        var answer = await _connection.ReadAsync();
        Assert.True(answer is { Status: 200 }, $"a normal request after it is answered by {answer?.Status.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "nothing"}");
    }
}
