using System.Net;
using System.Net.Sockets;
using System.Text;
using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>A node that listens on socket files, as a process: clients choose what they call themselves, and none may end it by that.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class SocketFileServeTests : IDisposable
{
    // What a name has room for on Linux, where it is the longest.
    private const int LongestName = 108;

    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _store = new();

    private string HttpFile => Path.Combine(_store.Path, "h");

    private string StompFile => Path.Combine(_store.Path, "s");

    public void Dispose() => _store.Dispose();

    [Theory]
    [InlineData("none")]
    [InlineData("long abstract")]
    [InlineData("longest abstract")]
    [InlineData("long path")]
    [InlineData("longest path")]
    public async Task AClient_WhateverItCallsItself_IsServed_AndTheNodeGoesOn(string kind)
    {
        await using var node = await RunningNode.StartAsync(
            _store.Path, ["--url", "memory:", "--listen", $"http://unix:{HttpFile}", "--stomp", $"stomp://unix:{StompFile}"]);
        Assert.Equal([$"http://unix:{HttpFile}", $"stomp://unix:{StompFile}"], node.Start.GetProperty("addresses").EnumerateArray().Skip(1).Select(url => url.GetString()));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(HttpFile));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(StompFile));

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await AskHttpAsync(NameOf(kind)), StringComparison.Ordinal);
        Assert.StartsWith("CONNECTED\n", await AskStompAsync(NameOf(kind)), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await AskHttpAsync(null), StringComparison.Ordinal);
        Assert.StartsWith("CONNECTED\n", await AskStompAsync(null), StringComparison.Ordinal);

        node.Process.Signal(15);
        Assert.Equal(ExitCodes.Done, await node.Process.ExitAsync());
        Assert.False(File.Exists(HttpFile));
        Assert.False(File.Exists(StompFile));
    }

    // No two sockets may have one name, so each call makes another.
    private ClientName? NameOf(string kind)
    {
        var start = $"{Guid.NewGuid():N}";
        return kind switch
        {
            "none" => null,
            "long abstract" => new ClientName("\0" + start.PadRight(60, 'x')),
            "longest abstract" => new ClientName(("\0" + start).PadRight(LongestName, 'x')),
            "long path" => new ClientName(Path.Combine(_store.Path, start).PadRight(LongestName - 10, 'x') + "\0"),
            _ => new ClientName(Path.Combine(_store.Path, start).PadRight(LongestName, 'x')),
        };
    }

    private Task<string> AskHttpAsync(ClientName? name) => AskAsync(HttpFile, name, "GET /api/v1/queues HTTP/1.1\r\nHost: x\r\n\r\n");

    private Task<string> AskStompAsync(ClientName? name) => AskAsync(StompFile, name, "CONNECT\naccept-version:1.2\nhost:x\n\n\0");

    private static async Task<string> AskAsync(string file, ClientName? name, string request)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        if (name is not null)
        {
            socket.Bind(name);
        }

        await socket.ConnectAsync(new UnixDomainSocketEndPoint(file), Token);
        await socket.SendAsync(Encoding.ASCII.GetBytes(request), Token);
        var answer = new byte[1000];
        return Encoding.ASCII.GetString(answer, 0, await socket.ReceiveAsync(answer, Token));
    }

    /// <summary>A name as it is written: the framework ends every path with a NUL, so that the longest of the system cannot be had from it.</summary>
    private sealed class ClientName(string name) : EndPoint
    {
        private const int Offset = 2;

        public override AddressFamily AddressFamily => AddressFamily.Unix;

        public override SocketAddress Serialize()
        {
            var address = new SocketAddress(AddressFamily.Unix, Offset + name.Length);
            Encoding.ASCII.GetBytes(name, address.Buffer.Span[Offset..]);
            return address;
        }
    }
}
