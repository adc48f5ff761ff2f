using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Millrace.Client;
using Millrace.Server.Api;
using Millrace.Server.Security;
using Xunit;

namespace Millrace.Server.Tests.Api;

/// <summary>A server over <c>memory:</c> on a free port, with a client whose requests are sent as they are written, and with its log.</summary>
internal sealed class ApiHost : IAsyncDisposable
{
    public const string Root = "/api/v1";

    private readonly MillraceClient _store;

    private ApiHost(MillraceServer server, MillraceClient store, ServerLog log)
    {
        Server = server;
        _store = store;
        Log = log;
        Address = new Uri(server.Addresses[0]);
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false }) { BaseAddress = Address };
    }

    public MillraceServer Server { get; }

    public ApiInstance Instance => Server.Instances[0];

    public Uri Address { get; }

    public HttpClient Http { get; }

    public ServerLog Log { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<ApiHost> StartAsync(ApiLimits? limits = null, TimeProvider? time = null, string storeUrl = "memory:")
    {
        var log = new ServerLog();
        var store = await MillraceClient.OpenAsync(storeUrl, cancellationToken: Cancellation);
        var options = new MillraceServerOptions
        {
            Instances = { ["default"] = store },
            Limits = limits ?? new(),
            TimeProvider = time ?? TimeProvider.System,
            LoggerFactory = log,

            // What raw requests call it.
            Security = new SecurityOptions { AllowedHosts = ["x"] },
        };
        options.Urls.Clear();
        options.Urls.Add("http://127.0.0.1:0");
        return new ApiHost(await MillraceServer.StartAsync(options, Cancellation), store, log);
    }

    /// <summary>Sends a request with a JSON body, or none.</summary>
    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? json = null) => SendAsync(method, path, json is null ? null : Encoding.UTF8.GetBytes(json));

    /// <summary>Sends a request with a body of this type.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, byte[]? body, string? contentType = "application/json")
    {
        using var request = new HttpRequestMessage(method, new Uri(Address, Root + path));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = contentType is null ? null : MediaTypeHeaderValue.Parse(contentType);
        }

        return await Http.SendAsync(request, Cancellation);
    }

    /// <summary>Asks for JSON.</summary>
    public async Task<JsonNode> JsonAsync(HttpMethod method, string path, string? json = null)
    {
        using var answer = await SendAsync(method, path, json);
        var text = await answer.Content.ReadAsStringAsync(Cancellation);
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {(int)answer.StatusCode} {text}");
        return JsonNode.Parse(text)!;
    }

    /// <summary>Requires that a request is refused with this status and code.</summary>
    public async Task<Problem> RefusedAsync(HttpStatusCode status, string code, HttpMethod method, string path, byte[]? body, string? contentType = "application/json")
    {
        using var answer = await SendAsync(method, path, body, contentType);
        var problem = await Problem.OfAsync(answer);
        Assert.True((answer.StatusCode, problem.Code) == (status, code), $"{method} {path}: {(int)answer.StatusCode} {problem}, not {(int)status} {code}");
        return problem;
    }

    /// <summary>Requires that a request is refused with this status and code.</summary>
    public Task<Problem> RefusedAsync(HttpStatusCode status, string code, HttpMethod method, string path, string? json = null) =>
        RefusedAsync(status, code, method, path, json is null ? null : Encoding.UTF8.GetBytes(json));

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        await _store.DisposeAsync();
        Log.Dispose();
    }
}
