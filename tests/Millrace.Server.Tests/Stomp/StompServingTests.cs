using System.Net.Sockets;
using Millrace.Server.Security;
using Millrace.Server.Tests.Access;
using Millrace.Server.Tests.Security;
using Millrace.Stomp;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

/// <summary>Connections over TCP and TLS, their limits, and what a stop does to them.</summary>
public sealed class StompServingTests
{
    private static readonly TimeSpan Patience = TestScale.Patience;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMessage_GoesFromOneClientToAnother_AndToTheStore()
    {
        await using var server = await StompServer.StartAsync();
        var (sender, _) = await StompClient.ConnectAsync(server.Address);
        var (receiver, answer) = await StompClient.ConnectAsync(server.Address);
        await using var disposeSender = sender;
        await using var disposeReceiver = receiver;

        await receiver.SendAsync("SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client-individual\n\n\0");
        await sender.AskAsync("SEND\ndestination:/queue/a\n\nhello\0");

        Assert.StartsWith("CONNECTED\nversion:1.2\n", answer, StringComparison.Ordinal);
        Assert.EndsWith("\n\nhello", await receiver.ReadAsync(), StringComparison.Ordinal);
        Assert.Equal(1, (await server.Store.Require<IQueueAdmin>().GetStatsAsync("a", Token)).Leased);
    }

    [Fact]
    public async Task AnInstanceOfAnotherName_IsServed_WhenItIsNamed()
    {
        await using var server = await StompServer.StartAsync(options =>
        {
            var store = options.Instances["default"];
            options.Instances.Clear();
            options.Instances["orders"] = store;
            options.Stomp!.Instance = "orders";
        });
        var (client, answer) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;

        Assert.StartsWith("CONNECTED", answer, StringComparison.Ordinal);
        using var connections = await server.GetAsync("/api/v1/connections");
        Assert.Equal(1, (await RunningServer.ReadJsonAsync(connections)).GetProperty("connections").GetArrayLength());
    }

    [Fact]
    public async Task OverTls_WithTheCertificateOfTheServer()
    {
        using var folder = new UsersFolder();
        using var authority = new TestAuthority(folder.Path, "authority");
        await using var server = await StompServer.StartAsync(options =>
        {
            options.Security = new SecurityOptions { Certificate = authority.Issue() };
            options.Stomp!.Urls[0] = "stomps://127.0.0.1:0";
        });

        var (client, answer) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;

        Assert.StartsWith("CONNECTED", answer, StringComparison.Ordinal);
        Assert.Equal("stomps", server.Address.Scheme);
        Assert.Equal("tls", Assert.Single(server.Broker.ListConnections()).Transport);
    }

    [Fact]
    public async Task TheLimitOfHttpConnections_IsNotThatOfStomp_WhichHasItsOwn()
    {
        await using var server = await StompServer.StartAsync(options =>
        {
            options.MaxConnections = 1;
            options.Stomp!.Options = new StompOptions { MaxConnections = 3 };
        });
        var clients = new List<StompClient>();
        for (var i = 0; i < 3; i++)
        {
            var (client, answer) = await StompClient.ConnectAsync(server.Address);
            clients.Add(client);
            Assert.StartsWith("CONNECTED", answer, StringComparison.Ordinal);
        }

        var (refused, error) = await StompClient.ConnectAsync(server.Address);
        clients.Add(refused);
        Assert.Contains("message:too many connections", error, StringComparison.Ordinal);

        // The client of the test keeps the one connection that HTTP has.
        using var live = await server.GetAsync("/health/live");
        Assert.True(live.IsSuccessStatusCode);
        using var second = new TcpClient();
        await second.ConnectAsync(server.Http.BaseAddress!.Host, server.Http.BaseAddress.Port, Token);
        Assert.Equal(0, await ReadAsync(second));
        await server.Log.WaitForAsync(2204);
        using var metrics = await server.GetAsync("/metrics");
        Assert.Contains("millrace_http_connections_refused_total 1\n", await metrics.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task AStop_TellsTheClients_HandsBackWhatTheyHave_AndLetsNobodyIn()
    {
        var server = await StompServer.StartAsync();
        try
        {
            var (client, _) = await StompClient.ConnectAsync(server.Address);
            await using var dispose = client;
            await client.SendAsync("SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client\n\n\0SEND\ndestination:/queue/a\n\nx\0");
            Assert.StartsWith("MESSAGE", await client.ReadAsync(), StringComparison.Ordinal);

            await server.Server.StopAsync(Token).WaitAsync(Patience, Token);

            Assert.StartsWith("ERROR\nmessage:stopping", await client.ReadAsync(), StringComparison.Ordinal);
            Assert.Null(await client.ReadAsync());
            Assert.Equal(1, (await server.Store.Require<IQueueAdmin>().GetStatsAsync("a", Token)).Ready);
            await Assert.ThrowsAsync<SocketException>(() => StompClient.OpenAsync(server.Address));
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    private static async Task<int> ReadAsync(TcpClient client)
    {
        try
        {
            return await client.GetStream().ReadAsync(new byte[1], Token).AsTask().WaitAsync(Patience, Token);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
