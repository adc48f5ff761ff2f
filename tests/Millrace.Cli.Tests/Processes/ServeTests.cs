using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>A node as a process: how it starts, what it says, and how it ends.</summary>
public sealed class ServeTests : IDisposable
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task Serve_WithNothingConfigured_MakesTheUsersStore_AndSaysWhereEverythingIs()
    {
        await using var node = await RunningNode.StartAsync(_store.Path, [], [("XDG_DATA_HOME", _store.Path + "/home")]);

        var stores = node.Start.GetProperty("instances")[0].GetProperty("stores");
        Assert.Equal(["queue", "stream", "lock", "state"], stores.GetProperty($"file:{_store.Path}/home/millrace/store").EnumerateArray().Select(shape => shape.GetString()));
        Assert.Equal(["channel"], stores.GetProperty("memory:").EnumerateArray().Select(shape => shape.GetString()));
        Assert.Equal("full", node.Start.GetProperty("instances")[0].GetProperty("durability").GetString());
        Assert.Equal("ready\n", await node.GetAsync("/health/ready"));
        Assert.True(Directory.Exists(_store.Path + "/home/millrace/store"));
    }

    [Fact]
    public async Task Commands_ThatNameNoStore_FindTheNodeThatHasItOpen_AndTheFilesWhenItIsGone()
    {
        (string, string?)[] home = [("XDG_DATA_HOME", _store.Path + "/home")];
        await using (var node = await RunningNode.StartAsync(_store.Path, [], home))
        {
            (await RunAsync(home, "send", "q", "through the node")).Succeeded();
            Assert.Equal("through the node\n", (await RunAsync(home, "receive", "q")).Succeeded().Output);
            (await RunAsync(home, "send", "q", "kept")).Succeeded();
            await node.Process.KillAsync();
        }

        // Its address is still there, its process is not.
        Assert.Equal("kept\n", (await RunAsync(home, "receive", "q")).Succeeded().Output);
        Assert.False(File.Exists(_store.Path + "/home/millrace/millrace.db"));
    }

    [Fact]
    public async Task Serve_WithAnEarlierSqliteStore_KeepsIt_AndSaysHowToMoveIt()
    {
        (string, string?)[] home = [("XDG_DATA_HOME", _store.Path + "/home")];
        (await RunAsync(home, "send", "q", "earlier")).Succeeded();
        await using var node = await RunningNode.StartAsync(_store.Path, [], home);
        Assert.True(node.Start.GetProperty("instances")[0].GetProperty("stores").TryGetProperty($"sqlite:{_store.Path}/home/millrace/millrace.db", out _));
        Assert.Equal("earlier\n", (await RunAsync(home, "receive", "q")).Succeeded().Output);
        Assert.False(Directory.Exists(_store.Path + "/home/millrace/store"));
    }

    /// <summary>A command as a user runs it who names no store.</summary>
    private async Task<CliResult> RunAsync((string, string?)[] home, params string[] args)
    {
        await using var process = RunningProcess.Start(_store.Path, RunningProcess.Millrace, args, home);
        return await process.FinishAsync();
    }

    [Fact]
    public async Task Serve_ForPeople_PrintsTheStore_TheAddress_WhoMayConnect_AndReadyLast()
    {
        var lines = new List<string>();
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var process = _store.Start(
            line =>
            {
                lines.Add(line);
                if (line.StartsWith("ready in ", StringComparison.Ordinal))
                {
                    ready.SetResult();
                }
            },
            "serve", "--listen", "http://127.0.0.1:0", "--stomp", "stomp://127.0.0.1:0");
        await ready.Task.WaitAsync(TimeSpan.FromSeconds(60), Token);

        process.Signal(15);
        Assert.Equal(ExitCodes.Done, await process.ExitAsync());
        await process.Output;

        Assert.StartsWith("millrace ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith($"  default    sqlite:{_store.File} (queue, stream, lock, state), durability full", lines[1], StringComparison.Ordinal);
        Assert.Contains("memory: (channel): the store has no channels", lines[2], StringComparison.Ordinal);
        Assert.StartsWith("  listens    http://127.0.0.1:", lines[3], StringComparison.Ordinal);
        Assert.StartsWith("  listens    stomp://127.0.0.1:", lines[4], StringComparison.Ordinal);
        Assert.Contains("nobody can connect from elsewhere", lines[5], StringComparison.Ordinal);
        Assert.StartsWith("ready in ", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serve_ReadsItsFolder_Environment_AndCommandLine_InThisOrder()
    {
        await File.WriteAllTextAsync(
            Path.Combine(_store.Path, "millrace.json"),
            """{ "Queue": { "Url": "sqlite:./file.db", "Orders": { "Url": "memory:" } }, "Server": { "LogFormat": "json" } }""",
            Token);
        await using var node = await RunningNode.StartAsync(_store.Path, [], [("QUEUE__URL", "sqlite:./environment.db")]);

        node.Process.Signal(2);
        await node.Process.ExitAsync();

        Assert.Equal(["default", "orders"], node.Start.GetProperty("instances").EnumerateArray().Select(instance => instance.GetProperty("name").GetString()));
        Assert.True(File.Exists(Path.Combine(_store.Path, "environment.db")));
        Assert.False(File.Exists(Path.Combine(_store.Path, "file.db")));
        var log = (await node.Process.Error).TrimEnd('\n').Split('\n').Select(line => JsonElement.Parse(line)).ToList();
        Assert.Contains(log, entry => entry.GetProperty("EventId").GetInt32() == 2201);
        Assert.Equal(2203, log[^1].GetProperty("EventId").GetInt32());
    }

    [Theory]
    [InlineData(15)]
    [InlineData(2)]
    public async Task ASignal_EndsANode_InOrder_AndSucceeds(int signal)
    {
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url]);
        await node.GetAsync("/health/live");

        node.Process.Signal(signal);

        Assert.Equal(ExitCodes.Done, await node.Process.ExitAsync());
        Assert.EndsWith("Stopped.\n", await node.Process.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_store.File + "-wal"));
    }

    [Fact]
    public async Task ARequestThatDoesNotEnd_IsCutAfterTheDrain_AndTheStopSucceeds()
    {
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", "memory:", "--set", "SERVER__DRAIN_MS=300"]);
        using var client = await HangAsync(node);

        node.Process.Signal(15);

        Assert.Equal(ExitCodes.Done, await node.Process.ExitAsync());
        Assert.EndsWith("Stopped.\n", await node.Process.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(15, 143)]
    [InlineData(2, 130)]
    public async Task ASecondSignal_EndsANodeAtOnce(int signal, int expected)
    {
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", "memory:", "--set", "SERVER__DRAIN_MS=600000"]);
        using var client = await HangAsync(node);
        node.Process.Signal(signal);
        await WaitForAsync(node, "Stopping: ");

        node.Process.Signal(signal);

        Assert.Equal(expected, await node.Process.ExitAsync());
        Assert.DoesNotContain("Stopped.", node.Process.ErrorSoFar, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ABusyPort_IsSaidInOneSentence_AndTheStoreIsClosed()
    {
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", "memory:"]);

        var result = await _store.RunAsync("serve", "--listen", node.Address.GetLeftPart(UriPartial.Authority), "--no-stomp", "--log-level", "none");

        result.Failed(ExitCodes.Usage, "address already in use");
        Assert.Contains(node.Address.Authority, result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_store.File + "-wal"));
    }

    [Fact]
    public async Task Stomp_IsServed_WhereItIsToldTo_AndABusyPortIsSaid_WithTheWayAround()
    {
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", "memory:"]);
        var stomp = new Uri(node.Start.GetProperty("addresses")[1].GetString()!);
        using var client = new TcpClient();
        await client.ConnectAsync(stomp.Host, stomp.Port, Token);
        await client.GetStream().WriteAsync("CONNECT\naccept-version:1.2\nhost:x\n\n\0"u8.ToArray(), Token);
        var answer = new byte[10];
        await client.GetStream().ReadExactlyAsync(answer, Token);

        var result = await _store.RunAsync("serve", "--listen", "http://127.0.0.1:0", "--stomp", stomp.OriginalString, "--log-level", "none");

        Assert.Equal("CONNECTED\n", Encoding.UTF8.GetString(answer));
        result.Failed(ExitCodes.Usage, $"Cannot listen on {stomp.OriginalString}: address already in use. ");
        Assert.Contains("--no-stomp where STOMP is not needed", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutStomp_ThereIsNone()
    {
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", "memory:", "--no-stomp"]);

        Assert.Equal(1, node.Start.GetProperty("addresses").GetArrayLength());
    }

    [Fact]
    public async Task AServiceManager_IsToldWhenANodeIsReady_AndWhenItStops()
    {
        var path = Path.Combine(_store.Path, "notify");
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(path));
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", "memory:", "--no-stomp"], [("NOTIFY_SOCKET", path)]);

        var buffer = new byte[1000];
        var ready = Encoding.UTF8.GetString(buffer, 0, await manager.ReceiveAsync(buffer, Token));
        node.Process.Signal(15);
        var stopping = Encoding.UTF8.GetString(buffer, 0, await manager.ReceiveAsync(buffer, Token));

        Assert.Equal($"READY=1\nSTATUS=Listening on {node.Address.GetLeftPart(UriPartial.Authority)}\n", ready);
        Assert.StartsWith("STOPPING=1\n", stopping, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Done, await node.Process.ExitAsync());
    }

    [Fact]
    public async Task TwoNodes_OnOneFile_AndTheCommandLine_SeeTheSameQueues()
    {
        await using var first = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url]);
        await using var second = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url]);
        (await _store.RunAsync("send", "orders", "x")).Succeeded();

        foreach (var node in (RunningNode[])[first, second])
        {
            Assert.Contains("\"status\":\"healthy\"", await node.GetAsync("/api/health"), StringComparison.Ordinal);
            Assert.Contains("millrace_queue_ready_messages{instance=\"default\",queue=\"orders\"} 1\n", await node.GetAsync("/metrics"), StringComparison.Ordinal);
        }
    }

    // A client that asks and asks and reads nothing: once the buffers between the two are full, the request that is being answered does not end.
    private static async Task<Socket> HangAsync(RunningNode node)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(node.Address.Host, node.Address.Port, Token);
        var requests = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 100)));
        while (true)
        {
            using var stalled = CancellationTokenSource.CreateLinkedTokenSource(Token);
            stalled.CancelAfter(TimeSpan.FromMilliseconds(500));
            try
            {
                await socket.SendAsync(requests, stalled.Token);
            }
            catch (OperationCanceledException) when (!Token.IsCancellationRequested)
            {
                return socket;
            }
        }
    }

    private static async Task WaitForAsync(RunningNode node, string text)
    {
        while (!node.Process.ErrorSoFar.Contains(text, StringComparison.Ordinal))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
            Assert.False(node.Process.Output.IsCompleted, node.Process.ErrorSoFar);
        }
    }
}
