using System.Net;
using System.Text;
using Millrace.Server.Security;
using Millrace.Server.Tests.Client;
using Millrace.Server.Tests.Security;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>The backend <c>https:</c>, and other clients, with a server that has a certificate.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly UsersFolder _folder = new();
    private readonly RecordedLog _log = new();
    private readonly TestAuthority _authority;

    public TlsTests() => _authority = new TestAuthority(_folder.Path, "authority");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string CaFile => "?caFile=" + Uri.EscapeDataString(_authority.File);

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task EveryShape_WorksOverTls_ByAddressAndByName()
    {
        await using var node = await StartAsync(_authority.Issue());

        foreach (var url in new[] { node.Url, node.Url.Replace("127.0.0.1", "localhost", StringComparison.Ordinal) })
        {
            await using var backend = await TestNode.OpenAsync(url, CaFile);
            await RequireWorksAsync(backend);
        }
    }

    [Fact]
    public async Task ACertificateThatVouchesForItself_IsItsOwnAuthority()
    {
        var certificate = TestAuthority.IssueSelfSigned(_folder.Path);
        await using var node = await StartAsync(certificate);

        await using var backend = await TestNode.OpenAsync(node.Url, "?caFile=" + Uri.EscapeDataString(certificate.CertificateFile!));

        await RequireWorksAsync(backend);
    }

    [Fact]
    public async Task AnAuthorityThatIsNotKnown_IsAFaultOfTheConfiguration()
    {
        using var other = new TestAuthority(_folder.Path, "other");
        await using var node = await StartAsync(_authority.Issue());

        foreach (var options in new[] { "", "?caFile=" + Uri.EscapeDataString(other.File) })
        {
            var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await TestNode.OpenAsync(node.Url, options));

            Assert.False(fault.IsTransient);
            Assert.Contains($"The server {node.Url} does not prove who it is: its certificate (CN=localhost, issued by CN=authority) is not trusted: ", fault.Message, StringComparison.Ordinal);
            Assert.EndsWith("The option caFile names the certificate of its authority.", fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ACertificateOfAnotherHost_IsAFaultOfTheConfiguration()
    {
        await using var node = await StartAsync(_authority.Issue("broker.example", alsoLoopback: false));

        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await TestNode.OpenAsync(node.Url, CaFile));

        Assert.Contains("its certificate (CN=broker.example) is for broker.example", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AServerWithoutTls_IsNamedAsSuch()
    {
        await using var node = await TestNode.StartAsync();

        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(
            async () => await TestNode.OpenAsync(node.Url.Replace("http:", "https:", StringComparison.Ordinal), CaFile));

        Assert.Contains("does not prove who it is", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AServerThatGoesAwayInTheHandshake_IsAFaultThatPasses()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var closing = Task.Run(async () => (await listener.AcceptTcpClientAsync(Token)).Dispose(), Token);

        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await TestNode.OpenAsync($"https://{listener.LocalEndpoint}", CaFile));

        await closing;
        Assert.True(fault.IsTransient);
        Assert.False(fault.MayHaveBeenApplied);
    }

    [Fact]
    public async Task ACertificateThatIsReplaced_IsUsedByNewConnections_WhileOldOnesGoOn()
    {
        await using var node = await StartAsync(_authority.Issue());
        await using var before = await TestNode.OpenAsync(node.Url, CaFile);
        using var other = new TestAuthority(_folder.Path, "other");

        other.Issue();
        await _log.WaitForAsync(2120, entry => entry.Text.Contains("in force", StringComparison.Ordinal), count: 2);

        Assert.True((await before.Health.ProbeAsync(Token)).IsHealthy);
        await using var after = await TestNode.OpenAsync(node.Url, "?caFile=" + Uri.EscapeDataString(other.File));
        await RequireWorksAsync(after);
        await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await TestNode.OpenAsync(node.Url, CaFile));
    }

    [Fact]
    public async Task Http2_CarriesRequestsAndStreams_OnOneConnection()
    {
        await using var node = await StartAsync(_authority.Issue());
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = 1 };
        handler.SslOptions.RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate?.Subject == "CN=localhost";
        using var client = new HttpClient(handler)
        {
            BaseAddress = new Uri(node.Url + "/api/v1/"),
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var events = await client.GetAsync(new Uri("channels/news.*/events", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (events.StatusCode, events.Version));
        using var reader = new StreamReader(await events.Content.ReadAsStreamAsync(Token));

        for (var i = 0; i < 100; i++)
        {
            using var published = await client.PostAsync(new Uri("channels/news.eu/messages", UriKind.Relative), new StringContent($"number {i}"), Token);
            Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (published.StatusCode, published.Version));
        }

        var next = 0;
        while (next < 100 && await reader.ReadLineAsync(Token) is { } line)
        {
            next += line == $"data: number {next}" ? 1 : 0;
        }

        Assert.Equal(100, next);
        using var sent = await client.PostAsync(new Uri("queues/q/messages", UriKind.Relative), new StringContent("text"), Token);
        Assert.Equal(HttpStatusCode.Created, sent.StatusCode);
        using var received = await client.PostAsync(new Uri("queues/q/receive", UriKind.Relative), null, Token);
        Assert.Equal("text", await received.Content.ReadAsStringAsync(Token));
    }

    private Task<TestNode> StartAsync(CertificateOptions certificate) => TestNode.StartAsync(listen: "https://127.0.0.1:0", configure: options =>
    {
        options.Security = new SecurityOptions { Certificate = certificate };
        options.LoggerFactory = _log;
    });

    private static async Task RequireWorksAsync(Backend backend)
    {
        var name = Guid.NewGuid().ToString("N");
        var queues = backend.Require<IQueueStore>();
        await queues.EnqueueAsync(name, new[] { Message("one") }, default, Token);
        await using (var receiver = await queues.OpenReceiverAsync(name, new ReceiverOptions(), Token))
        {
            var deliveries = new Delivery[1];
            Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.FromSeconds(20), Token));
            var results = new SettleResult[1];
            await queues.SettleAsync(name, new[] { Settlement.Complete(deliveries[0].Token) }, results, Token);
            Assert.Equal(SettleResult.Settled, results[0]);
        }

        var channels = backend.Require<IChannelTransport>();
        await using (var subscription = await channels.SubscribeAsync(TopicPattern.Parse(name + ".*"), SubscriptionOptions.Default, Token))
        {
            await channels.PublishAsync(name + ".a", Message("two"), Token);
            var messages = new ChannelMessage[1];
            Assert.Equal(1, await subscription.ReadAsync(messages, Token).AsTask().WaitAsync(TestScale.Patience, Token));
            Assert.Equal("two", Encoding.UTF8.GetString(messages[0].Body.Span));
        }

        var locks = backend.Require<ILockStore>();
        var grant = await locks.TryAcquireAsync(name, "me", TimeSpan.FromMinutes(1), Token);
        Assert.True(await locks.ReleaseAsync(name, "me", grant!.FencingToken, Token));
        var state = backend.Require<IStateStore>();
        var written = await state.PutAsync(name, new byte[] { 1, 2, 3 }, IStateStore.Absent, Token);
        Assert.Equal(written.Version, (await state.GetAsync(name, Token))!.Version);
    }

    private static Envelope Message(string text) => new(Encoding.UTF8.GetBytes(text));
}
