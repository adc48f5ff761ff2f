using Millrace.Testing;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>CONNECT, STOMP and CONNECTED.</summary>
public sealed class ConnectingTests
{
    [Theory]
    [InlineData("1.0", "1.0")]
    [InlineData("1.1", "1.1")]
    [InlineData("1.2", "1.2")]
    [InlineData("1.0,1.1,1.2", "1.2")]
    [InlineData("1.1,1.0", "1.1")]
    [InlineData("1.0, 1.1", "1.1")]
    [InlineData("1.3,1.1,2.0", "1.1")]
    public async Task Connect_ListsVersions_TheHighestCommonOneIsSpoken(string accepted, string spoken)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendAsync("CONNECT", $"accept-version:{accepted}", "host:test");

        var connected = await client.NextAsync();
        Assert.Equal("CONNECTED", connected.Command);
        Assert.Equal(spoken, connected["version"]);
        Assert.Equal(spoken, broker.Broker.FindConnection(connected["session"]!)!.Version);
        Assert.StartsWith("Millrace/", connected["server"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connect_WithoutVersions_Is10_AndIsAnsweredOnce()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();
        client.Version = "1.0";

        await client.SendAsync("CONNECT", "login:", "passcode:");
        var connected = await client.NextAsync();
        await client.SendAsync("DISCONNECT", "receipt:bye");

        Assert.Equal("1.0", connected["version"]);
        Assert.Equal("0,0", connected["heart-beat"]);
        Assert.Equal("RECEIPT", (await client.NextAsync()).Command);
    }

    [Theory]
    [InlineData("1.3")]
    [InlineData("2.0,3.0")]
    [InlineData("")]
    [InlineData("1.22")]
    public async Task Connect_NoCommonVersion_IsAnErrorThatListsThem_AndTheEnd(string accepted)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendAsync("CONNECT", $"accept-version:{accepted}", "host:test");

        var error = await client.ErrorAsync();
        Assert.Equal("no common version", error["message"]);
        Assert.Equal("1.0,1.1,1.2", error["version"]);
        Assert.Equal("text/plain", error["content-type"]);
        Assert.Contains("1.0,1.1,1.2", error.Text, StringComparison.Ordinal);
        Assert.Empty(client.KeptMessages);
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task Stomp_IsConnectByAnotherName(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendAsync("STOMP", $"accept-version:{version}", "host:test");

        Assert.Equal(version, (await client.NextAsync())["version"]);
    }

    [Theory]
    [InlineData("host:anything")]
    [InlineData("x-nothing:1")]
    public async Task Connect_WithoutVirtualHosts_AnyHostIsServed(string header)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendAsync("CONNECT", "accept-version:1.2", header);

        Assert.Equal("CONNECTED", (await client.NextAsync()).Command);
    }

    [Theory]
    [InlineData("host:Orders.example", true)]
    [InlineData("host:other", false)]
    [InlineData("x-nothing:1", false)]
    public async Task Connect_WithVirtualHosts_OnlyTheseAreServed(string header, bool isServed)
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = new() { VirtualHosts = ["orders.example"] } });
        await using var client = await broker.OpenAsync();

        await client.SendAsync("CONNECT", "accept-version:1.2", header);

        if (isServed)
        {
            Assert.Equal("CONNECTED", (await client.NextAsync()).Command);
        }
        else
        {
            Assert.Equal("unknown host", (await client.ErrorAsync())["message"]);
        }
    }

    [Fact]
    public async Task Connect_HeadersAreNotUnescaped()
    {
        var authority = new TestAuthority();
        authority.Add(@"a\cb", @"p\nq");
        await using var broker = await RunningBroker.StartAsync(setup: new() { Authority = authority });
        await using var client = await broker.OpenAsync();

        await client.SendAsync("CONNECT", "accept-version:1.2", "host:test", @"login:a\cb", @"passcode:p\nq", @"client-id:x\y");

        var connected = await client.NextAsync();
        Assert.Equal("CONNECTED", connected.Command);
        var info = broker.Broker.FindConnection(connected["session"]!)!;
        Assert.Equal(@"a\cb", info.User);
        Assert.Equal(@"x\y", info.ClientId);
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Connect_LinesEndInCrLf_IsRead(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendTextAsync($"CONNECT\r\naccept-version:{version}\r\nhost:test\r\n\r\n\0\r\n");

        Assert.Equal(version, (await client.NextAsync())["version"]);
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Connect_Twice_IsAnError(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);

        await client.SendAsync("CONNECT", $"accept-version:{version}", "host:test");

        Assert.Equal("connected already", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [InlineData("SEND\ndestination:/queue/a\n\nhello\0")]
    [InlineData("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")]
    [InlineData("DISCONNECT\n\n\0")]
    [InlineData("BEGIN\ntransaction:t\n\n\0")]
    public async Task FirstFrame_IsAnother_IsAnError(string frame)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendTextAsync(frame);

        Assert.Equal("not connected", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    [InlineData("CONNECTED\nversion:1.2\n\n\0")]
    [InlineData("connect\naccept-version:1.2\n\n\0")]
    [InlineData("HELLO\n\n\0")]
    public async Task FirstFrame_IsNoCommandOfAClient_IsAnError(string frame)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendTextAsync(frame);

        Assert.True((await client.ErrorAsync())["message"] is "unknown command" or "not connected");
    }

    [Fact]
    public async Task Connect_FrameOfManyAtOnce_AllAreHandledInOrder()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendBytesAsync((byte[])[
            .. WireClient.Frame("CONNECT", "", "accept-version:1.2", "host:test"),
            .. WireClient.Frame("SUBSCRIBE", "", "id:s", "destination:/queue/a", "receipt:1"),
            .. WireClient.Frame("SEND", "hello", "destination:/queue/a", "receipt:2")]);

        Assert.Equal("CONNECTED", (await client.NextAsync()).Command);
        await client.ReceiptAsync("1");
        await client.ReceiptAsync("2");
        Assert.Equal("hello", (await client.MessageAsync()).Text);
    }

    [Fact]
    public async Task Login_IsWrong_IsAnError_AndIsCounted_AndSaysNothingOfThePasscode()
    {
        var authority = new TestAuthority();
        authority.Add("ada", "right-secret");
        await using var broker = await RunningBroker.StartAsync(setup: new() { Authority = authority });
        await using var client = await broker.OpenAsync();

        await client.SendAsync("CONNECT", "accept-version:1.2", "host:test", "login:ada", "passcode:wrong-secret");

        var error = await client.ErrorAsync();
        await broker.UntilConnectionsAsync(0);
        Assert.Equal("access refused", error["message"]);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
        Assert.All(broker.Log.Entries, entry => Assert.DoesNotContain("secret", entry.Whole, StringComparison.Ordinal));
        Assert.Equal(1, broker.Broker.Counters.FailedLogins);
        Assert.Equal(0, broker.Broker.Counters.ConnectionsAccepted);
    }

    [Fact]
    public async Task Login_IsRight_NothingLogsThePasscode()
    {
        var authority = new TestAuthority();
        authority.Add("ada", "right-secret");
        await using var broker = await RunningBroker.StartAsync(setup: new() { Authority = authority });
        await using var client = await broker.ConnectAsync("1.2", "login:ada", "passcode:right-secret");

        await client.ConfirmAsync("DISCONNECT");
        await broker.UntilConnectionsAsync(0);

        Assert.All(broker.Log.Entries, entry => Assert.DoesNotContain("secret", entry.Whole, StringComparison.Ordinal));
        Assert.Contains(broker.Log.Entries, entry => entry.Whole.Contains("'ada'", StringComparison.Ordinal));
        Assert.Equal(0, authority.OpenCallers);
    }

    [Fact]
    public async Task Connect_DoesNotCome_IsAnErrorAfterTheTimeout()
    {
        var clock = new ManualTimeProvider();
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = clock, Options = new() { ConnectTimeout = TimeSpan.FromSeconds(10) } });
        await using var client = await broker.OpenAsync();
        await broker.UntilConnectionsAsync(1);
        await client.SendTextAsync("CONNECT\naccept-version:1.2\n");

        clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.Equal(1, broker.Broker.ConnectionCount);
        clock.Advance(TimeSpan.FromSeconds(0.2));

        Assert.Equal("not connected", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Connect_IsPassedByBlankLines_TheTimeoutStands()
    {
        var clock = new ManualTimeProvider();
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = clock });
        await using var client = await broker.OpenAsync();
        await client.SendTextAsync("\n\n\r\n\n");
        await broker.UntilConnectionsAsync(1);

        clock.Advance(TimeSpan.FromSeconds(11));

        Assert.Equal("not connected", (await client.ErrorAsync())["message"]);
    }
}
