using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Millrace.Server.Security;
using Xunit;

namespace Millrace.Server.Tests.Security;

/// <summary>A real web server with nothing behind its security but a handler that says who the caller is, and what it may.</summary>
internal sealed class SecuredHost : IAsyncDisposable
{
    private readonly WebApplication _application;

    private SecuredHost(WebApplication application, ServerSecurity security)
    {
        _application = application;
        Security = security;
        Address = new Uri(application.Urls.First());
        Client = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = Address };
    }

    public ServerSecurity Security { get; }

    public Uri Address { get; }

    public HttpClient Client { get; }

    public static async Task<SecuredHost> StartAsync(SecurityOptions options, TimeProvider? clock = null, RecordedLog? log = null, string url = "http://127.0.0.1:0")
    {
        var security = ServerSecurity.Open(options, clock ?? TimeProvider.System, log ?? new RecordedLog());
        security.RequireSafe([url]);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().UseUrls(url).ConfigureKestrel(kestrel =>
        {
            if (security.Certificate is { } certificate)
            {
                kestrel.ConfigureHttpsDefaults(certificate.Configure);
            }
        });
        builder.Services.AddSingleton<ILoggerFactory>(log ?? new RecordedLog());
        var application = builder.Build();
        security.Use(application, context => context.Request.Path.Value == "/health/live");
        application.Run(Answer);
        await application.StartAsync(TestContext.Current.CancellationToken);
        return new SecuredHost(application, security);
    }

    public static AuthenticationHeaderValue Basic(string name, string password) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{password}")));

    public Task<HttpResponseMessage> SendAsync(AuthenticationHeaderValue? authorization, string path = "/", HttpMethod? method = null)
    {
        var request = new HttpRequestMessage(method ?? HttpMethod.Get, path);
        request.Headers.Authorization = authorization;
        return Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method, "/");
        foreach (var (name, value) in headers)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        }

        return Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>Sends bytes as they are on a connection of their own, and returns what comes until it is closed.</summary>
    public async Task<string> SendRawAsync(string request)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(Address.Host, Address.Port, TestContext.Current.CancellationToken);
        await using var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Connects by TLS, and returns the thumbprint of the server's certificate and how many certificates it sent.</summary>
    public async Task<(string Thumbprint, int Sent)> ConnectAsync(SslProtocols protocols = SslProtocols.None)
    {
        var sent = 0;
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", Address.Port, TestContext.Current.CancellationToken);
        await using var tls = new SslStream(socket.GetStream());
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            EnabledSslProtocols = protocols,
            RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
            {
                // Nobody trusts it; which one it is, is what the test looks at.
                sent = chain!.ChainElements.Count;
                return certificate is not null;
            },
        };
        await tls.AuthenticateAsClientAsync(options, TestContext.Current.CancellationToken);
        return (((System.Security.Cryptography.X509Certificates.X509Certificate2)tls.RemoteCertificate!).Thumbprint, sent);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _application.DisposeAsync();
        Security.Dispose();
    }

    private static Task Answer(HttpContext context)
    {
        var caller = Caller.Of(context);
        var may = caller.May(Permission.Send, ResourceKind.Queue, "orders") ? "may" : "may not";
        context.Response.Headers["Millrace-Receiver"] = "r1";
        return context.Response.WriteAsync($"'{caller.Name}' {may}{(caller.IsAdministrator ? ", admin" : "")}");
    }
}
