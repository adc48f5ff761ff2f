using System.Diagnostics;
using System.Text;
using Millrace.Server.Api;
using Millrace.Server.Tests.Api.Fuzz;
using Xunit;

namespace Millrace.Server.Tests.Api;

/// <summary>Clients that are slow, go away in the middle, or speak another HTTP than this.</summary>
public sealed class BadConnectionTests
{
    private const string Batch = """{"messages":[{"id":"a","text":"x"}]}""";

    private static readonly ApiLimits Impatient = new() { HeadTime = TimeSpan.FromSeconds(1), SlowTime = TimeSpan.FromSeconds(2), MinBytesPerSecond = 1_000_000 };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("")]
    [InlineData("P")]
    [InlineData("POST /api/v1/queues/q/messages HTTP/1.1\r\nHost: x\r\nX-Slow: ")]
    public async Task Head_ThatTrickles_IsCutOff(string sent)
    {
        await using var host = await ApiHost.StartAsync(Impatient);
        await using var connection = await RawConnection.OpenAsync(host.Address);
        await connection.SendAsync(sent);
        var trickle = TrickleAsync(connection, Cancellation);

        var answer = await connection.ReadAsync();

        // Before there is a request: a bare answer.
        Assert.Equal((408, ""), (answer!.Status, answer.Text));
        await connection.RequireClosedAsync();
        await connection.DisposeAsync();
        await trickle;
    }

    [Theory]
    [InlineData("Content-Length: 1000000")]
    [InlineData("Transfer-Encoding: chunked")]
    public async Task Body_ThatTrickles_IsCutOffAndNothingIsDone(string length)
    {
        await using var host = await ApiHost.StartAsync(Impatient);
        await using var connection = await RawConnection.OpenAsync(host.Address);
        await connection.SendAsync($"POST {ApiHost.Root}/queues/q/messages HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n");
        if (!length.StartsWith('C'))
        {
            await connection.SendAsync("fffff\r\n");
        }

        var trickle = TrickleAsync(connection, Cancellation);
        var answer = (await connection.ReadAsync())!;

        Assert.Equal((408, "request-timeout"), (answer.Status, answer.Problem().Code));
        Assert.True(answer.Closes);
        await connection.RequireClosedAsync();
        await connection.DisposeAsync();
        await trickle;
        Assert.Empty(await host.Instance.Admin.ListQueuesAsync("", null, 10, Cancellation));
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task AnswerThatNobodyTakes_IsCutOff_AndItsDeliveriesComeBackUncounted()
    {
        await using var host = await ApiHost.StartAsync(Impatient);
        var receiver = await FillAsync(host);
        await using var connection = await RawConnection.OpenAsync(host.Address, receiveBuffer: 4096);

        await SendLeaseAsync(connection, receiver);
        await UntilAsync(async () => (await host.Instance.Admin.GetStatsAsync("q", Cancellation)).Leased == 64);

        await ReadyAgainAsync(host);
        await connection.DisposeAsync();
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task ClientGone_InTheMiddleOfAnAnswer_LeavesNothingLeased()
    {
        await using var host = await ApiHost.StartAsync();
        var receiver = await FillAsync(host);
        await using var connection = await RawConnection.OpenAsync(host.Address, receiveBuffer: 4096);

        await SendLeaseAsync(connection, receiver);
        Assert.NotEqual(0, await connection.ReadSomeAsync());
        connection.Reset();

        await ReadyAgainAsync(host);
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ClientGone_InTheMiddleOfALongPoll_LeavesTheNextMessageToOthers(bool resets)
    {
        await using var host = await ApiHost.StartAsync();
        using var connections = new OpenConnections(host.Address.Port);
        var receiver = (string)(await host.JsonAsync(HttpMethod.Post, "/queues/q/receivers"))["receiver"]!;
        var others = connections.Count;
        var connection = await RawConnection.OpenAsync(host.Address);
        await connection.SendAsync(Post($"/receivers/{receiver}/lease", """{"call":1,"waitMs":60000}"""));
        await using var receiving = await RawConnection.OpenAsync(host.Address);
        await receiving.SendAsync(Post("/queues/q/receive?waitMs=60000", ""));

        await UntilAsync(() => Task.FromResult(host.Instance.Receivers.Count == 2));
        if (resets)
        {
            connection.Reset();
            receiving.Reset();
        }

        await connection.DisposeAsync();
        await receiving.DisposeAsync();
        await UntilAsync(() => Task.FromResult(connections.Count == others));
        await host.JsonAsync(HttpMethod.Post, "/queues/q/batches", Batch);

        await ReadyAgainAsync(host, count: 1);
        var leased = await host.JsonAsync(HttpMethod.Post, $"/receivers/{receiver}/lease", """{"call":2,"waitMs":20000}""");
        Assert.Equal("a", (string)leased["deliveries"]![0]!["id"]!);
        Assert.Equal(1, (int)leased["deliveries"]![0]!["attempt"]!);
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task ClientGone_InTheMiddleOfABody_LeavesNothingStored()
    {
        await using var host = await ApiHost.StartAsync();
        var whole = Post("/queues/q/batches", Batch);
        for (var length = 0; length < whole.Length; length++)
        {
            await using var connection = await RawConnection.OpenAsync(host.Address);
            await connection.SendAsync(whole[..length]);
            if (length % 2 == 0)
            {
                connection.Reset();
            }
        }

        await host.JsonAsync(HttpMethod.Get, "");
        Assert.Empty(await host.Instance.Admin.ListQueuesAsync("", null, 10, Cancellation));
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Client_ThatEndsItsSideInTheMiddleOfABody_IsRefusedOrClosed()
    {
        await using var host = await ApiHost.StartAsync();
        var whole = Post("/queues/q/batches", Batch);
        for (var cut = 1; cut < Batch.Length; cut += 5)
        {
            await using var connection = await RawConnection.OpenAsync(host.Address);
            await connection.SendAsync(whole[..^cut]);
            connection.EndSending();

            if (await connection.ReadAsync() is { } answer)
            {
                Assert.Equal("invalid-request", answer.Problem().Code);
                await connection.RequireClosedAsync();
            }
        }

        Assert.Empty(await host.Instance.Admin.ListQueuesAsync("", null, 10, Cancellation));
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Client_ThatEndsItsSideAfterItsRequest_IsAnsweredOrClosed_AndTheServerKnowsWhich()
    {
        await using var host = await ApiHost.StartAsync();
        await host.JsonAsync(HttpMethod.Put, "/queues/q");
        var stored = 0;
        for (var round = 0; round < 50; round++)
        {
            await using var connection = await RawConnection.OpenAsync(host.Address);
            await connection.SendAsync(Post("/queues/q/messages", "x"));
            connection.EndSending();
            if (await connection.ReadAsync() is { } answer)
            {
                Assert.Equal(201, answer.Status);
                stored++;
            }

            await connection.RequireClosedAsync();
        }

        Assert.InRange((await host.Instance.Admin.GetStatsAsync("q", Cancellation)).Ready, stored, 50);
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Subscriber_ThatGoesAway_FreesItsPlace()
    {
        await using var host = await ApiHost.StartAsync();
        for (var round = 0; round < 20; round++)
        {
            await using var connection = await RawConnection.OpenAsync(host.Address);
            await connection.SendAsync($"GET {ApiHost.Root}/channels/t/events HTTP/1.1\r\nHost: x\r\n\r\n");
            Assert.NotEqual(0, await connection.ReadSomeAsync());
            if (round % 2 == 0)
            {
                connection.Reset();
            }
        }

        await UntilAsync(() => Task.FromResult(host.Instance.Subscriptions == 0));
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Requests_InOnePacket_AreAnsweredInTheirOrder()
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);
        var requests = new StringBuilder();
        for (var i = 0; i < 100; i++)
        {
            requests.Append(i % 3 == 2 ? Post("/queues/q/batches", "{") : Post("/queues/q/batches", $$"""{"messages":[{"id":"{{i}}"}]}"""));
        }

        await connection.SendAsync(requests.ToString());

        for (var i = 0; i < 100; i++)
        {
            var answer = (await connection.ReadAsync())!;
            if (i % 3 == 2)
            {
                Assert.Equal("invalid-request", answer.Problem().Code);
            }
            else
            {
                Assert.Equal($$"""{"ids":["{{i}}"]}""" + "\n", answer.Text);
            }
        }
    }

    [Theory]
    [InlineData("Content-Length: 5\r\nContent-Length: 6")]
    [InlineData("Content-Length: 5, 6")]
    [InlineData("Content-Length: -1")]
    [InlineData("Content-Length: 0x5")]
    [InlineData("Content-Length: 99999999999999999999")]
    [InlineData("Content-Length: 5\r\nTransfer-Encoding: chunked")]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 5")]
    [InlineData("Transfer-Encoding: gzip, chunked")]
    [InlineData("Transfer-Encoding: chunked, gzip")]
    [InlineData("Transfer-Encoding: identity")]
    [InlineData("Transfer-Encoding: xchunked")]
    [InlineData("Content-Length : 5")]
    [InlineData("Content-Length: 5\r\n X: folded")]
    [InlineData("X Y: 5")]
    [InlineData(": nameless")]
    [InlineData("X: a\u0000b")]
    [InlineData("X: a\rb")]
    [InlineData("X: \u00ff\u00fe")]
    [InlineData("Host: y")]
    public async Task Head_ThatCouldMeanTwoThings_IsNotPassedOverAsIfItWereOne(string fields)
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);

        // A second request stands where a body may or may not be.
        await connection.SendAsync($"POST {ApiHost.Root}/queues/q/messages HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n0\r\n\r\n" + Post("/queues/smuggled/messages", "x"));
        var answer = await connection.ReadAsync();

        Assert.True(answer is null || answer.Status is >= 400 and < 500 || fields.StartsWith("Content-Length: 5\r\nTransfer", StringComparison.Ordinal) || fields.StartsWith("Transfer-Encoding: chunked\r\nC", StringComparison.Ordinal), answer?.ToString());
        while (await connection.ReadAsync() is { } next)
        {
            Assert.InRange(next.Status, 400, 499);
        }

        Assert.DoesNotContain("smuggled", await host.Instance.Admin.ListQueuesAsync("", null, 10, Cancellation));
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData("x\r\nhello\r\n0\r\n\r\n")]
    [InlineData("-1\r\nhello\r\n0\r\n\r\n")]
    [InlineData("fffffffffffffffff\r\nhello\r\n0\r\n\r\n")]
    [InlineData("5;\r\nhello0\r\n\r\n")]
    [InlineData("5\nhello\n0\n\n")]
    [InlineData("5\r\nhello, this is too long\r\n0\r\n\r\n")]
    public async Task Chunk_ThatIsNone_IsRefused(string body)
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);

        await connection.SendAsync($"POST {ApiHost.Root}/queues/q/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        var answer = (await connection.ReadAsync())!;

        host.Log.RequireNoFault();
        Assert.Equal((400, "invalid-request"), (answer.Status, answer.Problem().Code));
        await connection.RequireClosedAsync();
        Assert.Empty(await host.Instance.Admin.ListQueuesAsync("", null, 10, Cancellation));
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData("GET /api/v1 HTTP/1.0\r\n\r\n", 200)]
    [InlineData("GET /api/v1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200)]
    [InlineData("GET /api/v1/none HTTP/1.0\r\n\r\n", 404)]
    [InlineData("POST /api/v1/queues/q/messages HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", 201)]
    [InlineData("POST /api/v1/queues/q/messages HTTP/1.0\r\n\r\nx", 400)]
    [InlineData("GET /api/v1\r\n\r\n", 400)]
    [InlineData("GET /api/v1 HTTP/1.1\r\n\r\n", 400)]
    [InlineData("GET /api/v1 HTTP/2.0\r\nHost: x\r\n\r\n", 505)]
    [InlineData("GET /api/v1 HTTP/3\r\nHost: x\r\n\r\n", 400)]
    [InlineData("GET  /api/v1 HTTP/1.1\r\nHost: x\r\n\r\n", 400)]
    [InlineData("\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n", 400)]
    public async Task Request_OfAnotherVersionOrNone_IsAnsweredOrRefused(string request, int status)
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);

        await connection.SendAsync(request);
        connection.EndSending();
        var answer = await connection.ReadAsync();

        if (answer is not null)
        {
            Assert.Equal(status, answer.Status);
            Problem.RequireNoSecret(answer.Text);
        }

        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData(101, 1, 431)]
    [InlineData(90, 400, 431)]
    [InlineData(1, 100_000, 431)]
    [InlineData(90, 10, 200)]
    public async Task Head_OfManyOrLongFields_IsBounded(int count, int length, int status)
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);
        var fields = string.Concat(Enumerable.Range(0, count).Select(i => $"X-{i}: {new string('x', length)}\r\n"));

        await connection.SendAsync($"GET {ApiHost.Root} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");

        Assert.Equal(status, (await connection.ReadAsync())?.Status);
    }

    [Fact]
    public async Task Target_OfMegabytes_IsBounded()
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);

        await connection.SendAsync($"GET {ApiHost.Root}/queues/{new string('q', 1_000_000)} HTTP/1.1\r\nHost: x\r\n\r\n");

        Assert.Equal(414, (await connection.ReadAsync())?.Status);
    }

    private static string Post(string path, string body) =>
        $"POST {ApiHost.Root}{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}";

    // 64 messages of 256 KiB: more than the buffers of both ends hold. Past the server, whose limits may be those of this test.
    private static async Task<string> FillAsync(ApiHost host)
    {
        var body = Encoding.UTF8.GetBytes(new string('x', 256 * 1024));
        await host.Instance.Queues.EnqueueAsync("q", Enumerable.Repeat(new Envelope(body) { ContentType = "text/plain" }, 64).ToArray(), default, Cancellation);
        return (string)(await host.JsonAsync(HttpMethod.Post, "/queues/q/receivers", """{"leaseMs":3600000}"""))["receiver"]!;
    }

    private static Task SendLeaseAsync(RawConnection connection, string receiver) => connection.SendAsync(Post($"/receivers/{receiver}/lease", """{"call":1,"max":64}"""));

    private static async Task ReadyAgainAsync(ApiHost host, int count = 64)
    {
        await UntilAsync(async () => await host.Instance.Admin.GetStatsAsync("q", Cancellation) is { Leased: 0 } stats && stats.Ready == count);
        var page = await host.JsonAsync(HttpMethod.Get, "/queues/q/messages?limit=1");
        Assert.Equal(0, (int)page["messages"]![0]!["attempts"]!);
    }

    // The server learns by itself that a client is gone, and tells nobody.
    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var began = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < TestScale.Patience, $"It has not happened for {TestScale.Patience.TotalSeconds} s.");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancellation);
        }
    }

    private static async Task TrickleAsync(RawConnection connection, CancellationToken cancellationToken)
    {
        for (var i = 0; i < 20; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken);
            try
            {
                await connection.SendAsync("x");
            }
            catch (ObjectDisposedException)
            {
                return;
            }
        }
    }
}
