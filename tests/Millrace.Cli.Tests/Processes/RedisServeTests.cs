using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Millrace.App;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>A node over Redis: what its clients, its log and its health say when the server refuses, and the settings that other infrastructures have for it.</summary>
public sealed class RedisServeTests : IDisposable
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AServerThatTakesNoWrites_IsUnavailable_ByHttpAndStomp_AndTheLogSaysWhy()
    {
        await using var redis = await LocalRedis.StartAsync(cancellationToken: Token);
        await using var node = await RunningNode.StartAsync(_folder.Path, ["--url", $"redis://{redis.EndPoint}/0"]);
        await redis.ExecuteAsync(["CONFIG", "SET", "min-replicas-to-write", "1"], Token);

        var (status, problem) = await SendAsync(node);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal(("unavailable", true), (problem.GetProperty("code").GetString(), problem.GetProperty("transient").GetBoolean()));
        Assert.Contains($"Redis at {redis.EndPoint}", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Contains("min-replicas-to-write", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);

        var error = await SendByStompAsync(node);
        Assert.Contains("message:store unavailable", error, StringComparison.Ordinal);
        Assert.Contains("try again later", error, StringComparison.Ordinal);

        var log = await EndAsync(node);
        Assert.Contains($"answered with 503 unavailable: Redis at {redis.EndPoint} takes no writes", log, StringComparison.Ordinal);
        Assert.Contains("the store failed", log, StringComparison.Ordinal);
        Assert.DoesNotContain("fault of the server", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARightThatTheNodeLacks_IsNoDefectOfIt_AndIsLogged()
    {
        await using var redis = await LocalRedis.StartAsync(cancellationToken: Token);
        await redis.ExecuteAsync(["ACL", "SETUSER", "lim", "on", ">secret", "~*", "&*", "+@all"], Token);
        await using var node = await RunningNode.StartAsync(_folder.Path, ["--url", $"redis://lim:secret@{redis.EndPoint}/0"]);
        await redis.ExecuteAsync(["ACL", "SETUSER", "lim", "-evalsha"], Token);

        var (status, problem) = await SendAsync(node);
        Assert.Equal(HttpStatusCode.BadGateway, status);
        Assert.Equal("backend-error", problem.GetProperty("code").GetString());
        Assert.Contains("does not let the user 'lim' do this", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Contains("message:store refused", await SendByStompAsync(node), StringComparison.Ordinal);

        var log = await EndAsync(node);
        Assert.Contains("does not let the user 'lim' do this", log, StringComparison.Ordinal);
        Assert.Contains("the store failed", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AServerThatIsGone_IsNamedInHealth_WithTheReason()
    {
        await using var redis = await LocalRedis.StartAsync(cancellationToken: Token);
        await using var node = await RunningNode.StartAsync(_folder.Path, ["--url", $"redis://{redis.EndPoint}/0", "--no-stomp"]);
        await redis.KillAsync(Token);

        string health;
        do
        {
            // Until the first attempt to connect again has been made.
            using var answer = await node.Http.GetAsync(new Uri("/api/health", UriKind.Relative), Token);
            health = await answer.Content.ReadAsStringAsync(Token);
        }
        while (!health.Contains("Connection refused", StringComparison.Ordinal));
        Assert.Contains($"There was no connection to Redis at {redis.EndPoint}", health, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AReplica_IsNotServed_AndTheCommandLineSaysWhatItIs()
    {
        await using var primary = await LocalRedis.StartAsync(cancellationToken: Token);
        await using var replica = await LocalRedis.StartAsync(new LocalRedisOptions { Arguments = ["--replicaof", $"{LocalRedis.Host} {primary.Port}"] }, Token);
        foreach (var args in (string[][])[["receive", "q1"], ["send", "q1", "x"], ["serve", "--listen", "http://127.0.0.1:0", "--no-stomp"]])
        {
            var result = await RunningProcess.RunAsync(_folder.Path, [.. args, "--url", $"redis://{replica.EndPoint}/0"]);
            Assert.Equal(ExitCodes.Usage, result.Code);
            Assert.Contains($"Redis at {replica.EndPoint} is a replica, which takes no writes", result.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task TheSettingsOfChannels_ThatOtherInfrastructuresHave_WorkAsTheyAreSpelled()
    {
        await using var redis = await LocalRedis.StartAsync(cancellationToken: Token);
        (string, string?)[] settings =
        [
            ("CHANNEL__BACKEND", "memory"),
            ("CHANNEL__DEFAULT__BACKEND", "redis"),
            ("CHANNEL__DEFAULT__URL", $"redis://{redis.EndPoint}/3"),
            ("CHANNEL__DEFAULT__KEY_PREFIX", "channel:"),
            ("CHANNEL__DEFAULT__TTL", "86400"),
        ];
        await using var node = await RunningNode.StartAsync(_folder.Path, ["--no-stomp"], settings);
        Assert.Contains(
            node.Start.GetProperty("instances")[0].GetProperty("stores").EnumerateObject(),
            store => store.Name == $"redis://{redis.EndPoint}/3?keyprefix=channel:&historyttlms=86400000");

        using var published = await node.Http.PostAsync(new Uri("/api/v1/channels/user:123/messages", UriKind.Relative), Text("hello"), Token);
        Assert.True(published.IsSuccessStatusCode, await published.Content.ReadAsStringAsync(Token));
        Assert.StartsWith("{channel:", await redis.ExecuteAsync(["-n", "3", "KEYS", "*"], Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TwoNodes_OverOneRedis_AreOneBroker_ByStompAndHttp()
    {
        await using var redis = await LocalRedis.StartAsync(cancellationToken: Token);
        await using var first = await RunningNode.StartAsync(_folder.Path, ["--url", $"redis://{redis.EndPoint}/0"]);
        await using var second = await RunningNode.StartAsync(_folder.Path, ["--url", $"redis://{redis.EndPoint}/0"]);

        // Live topics and queues: whoever subscribes at one gets what is sent to the other.
        using var client = await ConnectAsync(second);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream, Encoding.UTF8);
        await stream.WriteAsync(
            "CONNECT\naccept-version:1.2\nhost:x\n\n\0SUBSCRIBE\nid:t\ndestination:/topic/news.*\nreceipt:1\n\n\0SUBSCRIBE\nid:q\ndestination:/queue/q1\nreceipt:2\n\n\0"u8.ToArray(), Token);
        await ReadUntilAsync(reader, "receipt-id:2");
        using var published = await first.Http.PostAsync(new Uri("/api/v1/channels/news.world/messages", UriKind.Relative), Text("live"), Token);
        await ReadUntilAsync(reader, "live\0");
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(first)).Status);
        await ReadUntilAsync(reader, "x\0");

        var sent = await SendByStompAsync(first, "q2", "DISCONNECT\nreceipt:2\n\n\0");
        Assert.Contains("receipt-id:1", sent, StringComparison.Ordinal);
        using var received = await second.Http.PostAsync(new Uri("/api/v1/queues/q2/receive?settleOnLease=true", UriKind.Relative), null, Token);
        Assert.Equal("x", await received.Content.ReadAsStringAsync(Token));
    }

    private static async Task<TcpClient> ConnectAsync(RunningNode node)
    {
        var stomp = new Uri(node.Start.GetProperty("addresses")[1].GetString()!);
        var client = new TcpClient();
        await client.ConnectAsync(stomp.Host, stomp.Port, Token);
        return client;
    }

    private static async Task ReadUntilAsync(StreamReader reader, string end)
    {
        var seen = new StringBuilder();
        var one = new char[1];
        while (!seen.ToString().EndsWith(end, StringComparison.Ordinal))
        {
            Assert.True(await reader.ReadAsync(one, Token) > 0, $"The node has closed the connection after: {seen}");
            seen.Append(one);
        }
    }

    private static StringContent Text(string text) => new(text, Encoding.UTF8, new MediaTypeHeaderValue("text/plain"));

    private static async Task<(HttpStatusCode Status, JsonElement Problem)> SendAsync(RunningNode node)
    {
        using var answer = await node.Http.PostAsync(new Uri("/api/v1/queues/q1/messages", UriKind.Relative), Text("x"), Token);
        return (answer.StatusCode, JsonElement.Parse(await answer.Content.ReadAsStringAsync(Token)));
    }

    /// <summary>Sends a message by STOMP, and returns all that the node says until it closes the connection.</summary>
    private static async Task<string> SendByStompAsync(RunningNode node, string queue = "q1", string then = "")
    {
        using var client = await ConnectAsync(node);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes($"CONNECT\naccept-version:1.2\nhost:x\n\n\0SEND\ndestination:/queue/{queue}\nreceipt:1\n\nx\0{then}"), Token);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync(Token);
    }

    /// <summary>Ends a node in order, and returns its log.</summary>
    private static async Task<string> EndAsync(RunningNode node)
    {
        node.Process.Signal(15);
        await node.Process.ExitAsync();
        return await node.Process.Error;
    }
}
