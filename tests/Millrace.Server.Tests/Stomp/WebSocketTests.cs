using System.Net;
using System.Net.WebSockets;
using System.Text;
using Millrace.Server.Security;
using Millrace.Server.Tests.Access;
using Millrace.Server.Tests.Security;
using Millrace.Stomp;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

/// <summary>STOMP over WebSocket, at <c>/stomp</c> of the HTTP addresses.</summary>
public sealed class WebSocketTests : IDisposable
{
    private const string Connect = "CONNECT\naccept-version:1.2\nhost:x\n\n\0";

    private static readonly TimeSpan Patience = TestScale.Patience;

    private readonly UsersFolder _folder = new();

    public static TheoryData<string[], string?> Offers => new()
    {
        { ["v12.stomp", "v11.stomp", "v10.stomp"], "v12.stomp" },
        { ["v10.stomp", "v11.stomp"], "v11.stomp" },
        { ["mqtt", "v10.stomp"], "v10.stomp" },
        { [], null },
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Offers))]
    public async Task TheBestSubprotocol_IsChosen(string[] offered, string? chosen)
    {
        await using var server = await StompServer.StartAsync();

        using var socket = await OpenAsync(server, offered);

        Assert.Equal(chosen, socket.SubProtocol);
        await SendAsync(socket, Connect);
        Assert.StartsWith("CONNECTED\nversion:1.2", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SubprotocolsThatNobodyKnows_AndOtherRequests_AreRefused()
    {
        await using var server = await StompServer.StartAsync();

        await Assert.ThrowsAsync<WebSocketException>(() => OpenAsync(server, ["mqtt"]));
        using var plain = await server.GetAsync("/stomp");
        Assert.Equal(HttpStatusCode.BadRequest, plain.StatusCode);
        Assert.Equal("invalid-request", (await RunningServer.ReadJsonAsync(plain)).GetProperty("code").GetString());
        Assert.Equal(0, server.Broker.ConnectionCount);
    }

    [Fact]
    public async Task Frames_MayBeCutAnywhere_OrComeTogether()
    {
        await using var server = await StompServer.StartAsync();
        using var socket = await OpenAsync(server);
        var frames = Encoding.UTF8.GetBytes(Connect + "SEND\ndestination:/queue/a\ncontent-length:3\nreceipt:1\n\n\0ü\0SEND\ndestination:/queue/a\nreceipt:2\n\nx\0");

        foreach (var one in frames)
        {
            await socket.SendAsync(new[] { one }, WebSocketMessageType.Binary, endOfMessage: one % 3 == 0, Token);
        }

        await socket.SendAsync("\n"u8.ToArray(), WebSocketMessageType.Binary, endOfMessage: true, Token);
        await socket.SendAsync(frames.AsMemory(Connect.Length), WebSocketMessageType.Binary, endOfMessage: true, Token);

        Assert.StartsWith("CONNECTED", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
        foreach (var receipt in new[] { "1", "2", "1", "2" })
        {
            Assert.StartsWith($"RECEIPT\nreceipt-id:{receipt}\n", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
        }

        Assert.Equal(4, (await server.Store.Require<IQueueAdmin>().GetStatsAsync("a", Token)).Ready);
    }

    [Theory]
    [InlineData(WebSocketMessageType.Text)]
    [InlineData(WebSocketMessageType.Binary)]
    public async Task EachFrame_IsOneMessage_OfTheKindThatTheClientSends(WebSocketMessageType type)
    {
        await using var server = await StompServer.StartAsync();
        using var socket = await OpenAsync(server);

        await SendAsync(socket, Connect + "SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:s\n\n\0", type);
        Assert.StartsWith("CONNECTED", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
        Assert.StartsWith("RECEIPT", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
        await SendAsync(socket, string.Concat(Enumerable.Range(0, 50).Select(number => $"SEND\ndestination:/topic/a\n\nü {number}\0")), type);

        for (var number = 0; number < 50; number++)
        {
            var (kind, text, _) = await ReadAsync(socket);
            Assert.Equal(type, kind);
            Assert.StartsWith("MESSAGE\n", text, StringComparison.Ordinal);
            Assert.EndsWith($"\n\nü {number}\0", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task WhatIsNoText_OrTooLargeToBeKept_GoesAsBinary_ToAClientOfText()
    {
        await using var server = await StompServer.StartAsync();
        using var socket = await OpenAsync(server);
        await SendAsync(socket, Connect + "SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:s\n\n\0");
        await ReadAsync(socket);
        await ReadAsync(socket);
        var channels = server.Store.Require<IChannelTransport>();
        byte[][] bodies = [[0xff, 0, 0xfe], [.. Enumerable.Repeat((byte)'a', 1_000_000)], "text"u8.ToArray()];

        foreach (var body in bodies)
        {
            await channels.PublishAsync("a", new Envelope(body), Token);
        }

        var kinds = new List<WebSocketMessageType>();
        foreach (var body in bodies)
        {
            var (kind, _, bytes) = await ReadAsync(socket);
            kinds.Add(kind);
            Assert.Equal(body, bytes[^(body.Length + 1)..^1]);
        }

        Assert.Equal(WebSocketMessageType.Binary, kinds[0]);
        Assert.Equal(WebSocketMessageType.Text, kinds[2]);
    }

    [Fact]
    public async Task ADisconnect_ClosesInOrder_AndSoDoesAClose()
    {
        await using var server = await StompServer.StartAsync();
        using var first = await OpenAsync(server);
        await SendAsync(first, Connect);
        await ReadAsync(first);
        await SendAsync(first, "DISCONNECT\nreceipt:bye\n\n\0");
        Assert.StartsWith("RECEIPT\nreceipt-id:bye", (await ReadAsync(first)).Text, StringComparison.Ordinal);
        Assert.Equal(WebSocketMessageType.Close, (await ReadAsync(first)).Kind);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, first.CloseStatus);
        await first.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Token);

        using var second = await OpenAsync(server);
        await SendAsync(second, Connect);
        await ReadAsync(second);
        await second.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Token).WaitAsync(Patience, Token);

        await server.Log.WaitForAsync(3001, count: 2);
        Assert.Equal(WebSocketState.Closed, second.State);
    }

    [Fact]
    public async Task AnError_IsReadBeforeTheClose()
    {
        await using var server = await StompServer.StartAsync();
        using var socket = await OpenAsync(server);

        await SendAsync(socket, "SEND\ndestination:/queue/a\n\nx\0");

        Assert.StartsWith("ERROR\n", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
        Assert.Equal(WebSocketMessageType.Close, (await ReadAsync(socket)).Kind);
    }

    [Fact]
    public async Task AClientThatIsCut_LeavesNothingBehind_AndWhatItHeldGoesBack()
    {
        await using var server = await StompServer.StartAsync();
        using (var socket = await OpenAsync(server))
        {
            await SendAsync(socket, Connect + "SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client\n\n\0SEND\ndestination:/queue/a\n\nx\0");
            await ReadAsync(socket);
            Assert.StartsWith("MESSAGE", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
            socket.Abort();
        }

        await server.Log.WaitForAsync(3001);
        Assert.Equal(1, (await server.Store.Require<IQueueAdmin>().GetStatsAsync("a", Token)).Ready);
    }

    [Fact]
    public async Task AStop_TellsTheClients()
    {
        var server = await StompServer.StartAsync();
        using var socket = await OpenAsync(server);
        await SendAsync(socket, Connect);
        await ReadAsync(socket);

        var stopping = server.DisposeAsync().AsTask();

        Assert.StartsWith("ERROR\nmessage:stopping", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
        Assert.Equal(WebSocketMessageType.Close, (await ReadAsync(socket)).Kind);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Token);
        await stopping.WaitAsync(Patience, Token);
    }

    [Fact]
    public async Task WithUsers_TheConnectFrameProves_WhoItIs_AndOtherPathsStayShut()
    {
        await _folder.WriteAsync(UsersFolder.User("ann", "correct horse", "admin"));
        await using var server = await StompServer.StartAsync(options => options.Security = new SecurityOptions { UsersFile = _folder.File });

        using var anonymous = await OpenAsync(server);
        await SendAsync(anonymous, Connect);
        Assert.StartsWith("ERROR\nmessage:access refused", (await ReadAsync(anonymous)).Text, StringComparison.Ordinal);
        using var ann = await OpenAsync(server);
        await SendAsync(ann, "CONNECT\naccept-version:1.2\nlogin:ann\npasscode:correct horse\n\n\0");
        Assert.StartsWith("CONNECTED", (await ReadAsync(ann)).Text, StringComparison.Ordinal);
        foreach (var path in new[] { "/stomp/", "/Stomp", "/stomp/x", "/api/v1/queues" })
        {
            using var answer = await server.GetAsync(path);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }
    }

    [Theory]
    [InlineData("https://evil.example", false)]
    [InlineData("null", false)]
    [InlineData("https://tools.example.org", true)]
    [InlineData("http://127.0.0.1:{port}", true)]
    [InlineData("https://127.0.0.1:{port}", false)]
    [InlineData(null, true)]
    public async Task PagesOfOtherOrigins_AreRefused_UnlessTheyAreAllowed_AlsoWithUsers(string? origin, bool isAllowed)
    {
        await _folder.WriteAsync(UsersFolder.User("ann", "correct horse", "admin"));
        foreach (var users in new[] { null, _folder.File })
        {
            await using var server = await StompServer.StartAsync(
                options => options.Security = new SecurityOptions { UsersFile = users, CorsOrigins = ["https://tools.example.org"] });
            var from = origin?.Replace("{port}", $"{server.Http.BaseAddress!.Port}", StringComparison.Ordinal);
            var opening = OpenAsync(server, [], from);
            if (isAllowed)
            {
                using var socket = await opening;
                Assert.Equal(WebSocketState.Open, socket.State);
            }
            else
            {
                await Assert.ThrowsAsync<WebSocketException>(() => opening);
                Assert.Equal("cross-origin", Assert.Single(server.Log.Of(2101)).Values["Action"]);
                Assert.Equal(0, server.Broker.ConnectionCount);
            }
        }
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task OverHttps_ByEitherVersionOfHttp(string version)
    {
        using var authority = new TestAuthority(_folder.Path, "authority");
        await using var server = await StompServer.StartAsync(options =>
        {
            options.Security = new SecurityOptions { Certificate = authority.Issue() };
            options.Urls[0] = "https://127.0.0.1:0";
        });
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate?.Subject == "CN=localhost";
        using var invoker = new HttpMessageInvoker(handler);
        using var socket = new ClientWebSocket();
        socket.Options.HttpVersion = Version.Parse(version);
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        socket.Options.AddSubProtocol("v12.stomp");

        await socket.ConnectAsync(UriOf(server), invoker, Token);
        await SendAsync(socket, Connect);

        Assert.StartsWith("CONNECTED", (await ReadAsync(socket)).Text, StringComparison.Ordinal);
        Assert.Equal("wss", Assert.Single(server.Broker.ListConnections()).Transport);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Token).WaitAsync(Patience, Token);
    }

    [Fact]
    public async Task AClientThatReadsNothing_KeepsNoMoreThanWhatItsConnectionMay_AndIsCut()
    {
        await using var server = await StompServer.StartAsync(options => options.Stomp!.Options = new StompOptions { SendTimeout = TimeSpan.FromSeconds(1) });
        using var socket = await OpenAsync(server);
        await SendAsync(socket, Connect + "SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client\nprefetch-count:1000\n\n\0");
        await ReadAsync(socket);
        var body = new byte[1_000_000];
        for (var i = 0; i < 64; i++)
        {
            await server.Store.Require<IQueueStore>().EnqueueAsync("a", new[] { new Envelope(body) }, default, Token);
        }

        var ended = await server.Log.WaitForAsync(3001);

        Assert.Contains("has taken nothing", ended.Text, StringComparison.Ordinal);
        Assert.Equal(64, (await server.Store.Require<IQueueAdmin>().GetStatsAsync("a", Token)).Ready);
        Assert.Equal(0, server.Broker.ConnectionCount);
    }

    [Fact]
    public async Task WebSockets_DoNotCountAsHttpConnections()
    {
        await using var server = await StompServer.StartAsync(options => options.MaxConnections = 1);

        using var first = await OpenAsync(server);
        using var second = await OpenAsync(server);
        foreach (var socket in new[] { first, second })
        {
            await SendAsync(socket, Connect);
            await ReadAsync(socket);
        }

        using var live = await server.GetAsync("/health/live");

        Assert.True(live.IsSuccessStatusCode);
        Assert.Equal(2, server.Broker.ConnectionCount);
    }

    private static Uri UriOf(StompServer server) => new(server.Http.BaseAddress!.AbsoluteUri.Replace("http", "ws", StringComparison.Ordinal) + "stomp");

    private static async Task<ClientWebSocket> OpenAsync(StompServer server, string[]? protocols = null, string? origin = null)
    {
        var socket = new ClientWebSocket();
        foreach (var protocol in protocols ?? ["v12.stomp"])
        {
            socket.Options.AddSubProtocol(protocol);
        }

        if (origin is not null)
        {
            socket.Options.SetRequestHeader("Origin", origin);
        }

        await socket.ConnectAsync(UriOf(server), Token);
        return socket;
    }

    private static async Task SendAsync(ClientWebSocket socket, string text, WebSocketMessageType type = WebSocketMessageType.Text) =>
        await socket.SendAsync(Encoding.UTF8.GetBytes(text), type, endOfMessage: true, Token);

    private static async Task<(WebSocketMessageType Kind, string Text, byte[] Bytes)> ReadAsync(ClientWebSocket socket)
    {
        using var message = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var read = await socket.ReceiveAsync(buffer, Token).WaitAsync(Patience, Token);
            message.Write(buffer, 0, read.Count);
            if (read.EndOfMessage)
            {
                return (read.MessageType, Encoding.UTF8.GetString(message.ToArray()), message.ToArray());
            }
        }
    }
}
