using System.Net.Sockets;
using System.Text;
using Millrace.App;
using Millrace.Client;
using Millrace.Server;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary><c>millrace connections</c>, on nodes with clients of STOMP.</summary>
public sealed class ConnectionsCommandTests : IAsyncLifetime
{
    private const string Password = "correct horse";

    private readonly List<TcpClient> _clients = [];
    private MillraceClient? _store;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _store = await MillraceClient.OpenAsync("memory:", cancellationToken: Token);

    [Fact]
    public async Task List_ShowsWhoIsConnected_AndWhatTheyHave()
    {
        await using var server = await StartAsync();
        Assert.Equal(
            "ID  USER  PEER  TRANSPORT  VERSION  CONNECTED  SUBSCRIPTIONS  UNACKNOWLEDGED  SENT  DELIVERED\n",
            (await RunAsync("connections", "list", "--server", server.Addresses[0])).Succeeded().Output);
        await ConnectWithMessageAsync(server);
        await ConnectAsync(server);

        var table = (await RunAsync("connections", "list", "--server", server.Addresses[0])).Succeeded().Lines;
        var json = (await RunAsync("connections", "list", "--json", "--server", server.Addresses[0])).Succeeded().Objects;

        Assert.Equal(3, table.Length);
        Assert.Equal(2, json.Length);
        foreach (var (line, connection) in table[1..].Zip(json))
        {
            var cells = line.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var had = connection.GetProperty("subscriptions").GetArrayLength().ToString(System.Globalization.CultureInfo.InvariantCulture);
            Assert.Equal((connection.GetProperty("id").GetString(), "-", connection.GetProperty("peer").GetString()), (cells[0], cells[1], cells[2]));
            Assert.Equal(["tcp", "1.2", cells[5], had, had, had, had], cells[3..]);
        }

        Assert.Single(json, connection => connection.GetProperty("clientId").GetString() == "c-1" && connection.GetProperty("messagesSent").GetInt32() == 1);
    }

    [Fact]
    public async Task List_GoesThroughAllPages()
    {
        // The largest page has 1,000.
        await using var server = await StartAsync();
        for (var i = 0; i < 1_001; i++)
        {
            await ConnectAsync(server);
        }

        var ids = (await RunAsync("connections", "list", "--json", "--server", server.Addresses[0])).Succeeded().Objects.Select(connection => connection.GetProperty("id").GetString());

        Assert.Equal(1_001, ids.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task Show_TellsOfOneConnection_WithItsSubscriptions()
    {
        await using var server = await StartAsync();
        await ConnectWithMessageAsync(server);
        var listed = Assert.Single((await RunAsync("connections", "list", "--json", "--server", server.Addresses[0])).Succeeded().Objects);
        var id = listed.GetProperty("id").GetString()!;

        // They are the node's, whichever instance the address names.
        var text = (await RunAsync("connections", "show", id, "--url", server.Addresses[0] + "/orders")).Succeeded();
        var json = Assert.Single((await RunAsync("connections", "show", id, "--json", "--server", server.Addresses[0])).Succeeded().Objects);

        Assert.StartsWith($"id:           {id}\nuser:         -\npeer:         127.0.0.1:", text.Output, StringComparison.Ordinal);
        Assert.Contains("\nclient id:    c-1\n", text.Output, StringComparison.Ordinal);
        Assert.Contains("\nsent:         1 messages\ndelivered:    1 messages\n", text.Output, StringComparison.Ordinal);
        Assert.EndsWith(
            """
            SUBSCRIPTION  DESTINATION    ACKNOWLEDGE        PREFETCH  UNACKNOWLEDGED  DELIVERED  DROPPED
            s             /queue/orders  client-individual  7         1               1          0

            """,
            text.Output,
            StringComparison.Ordinal);
        Assert.Equal(listed.GetRawText(), json.GetRawText());
    }

    [Fact]
    public async Task Close_EndsAConnection_AndGivesBackWhatItHeld()
    {
        await using var server = await StartAsync();
        var client = await ConnectWithMessageAsync(server);
        var other = await ConnectAsync(server);
        var id = (await RunAsync("connections", "list", "--json", "--server", server.Addresses[0])).Succeeded().Objects
            .Single(connection => connection.GetProperty("clientId").GetString() == "c-1").GetProperty("id").GetString()!;

        Assert.Equal($"Closed connection '{id}'.\n", (await RunAsync("connections", "close", id, "--server", server.Addresses[0])).Succeeded().Output);

        Assert.StartsWith("ERROR\nmessage:closed by an administrator", await ReadAsync(client), StringComparison.Ordinal);
        Assert.Equal("", await ReadAsync(client));
        Assert.Equal("x\n", (await RunAsync("receive", "orders", "--wait", "30s", "--server", server.Addresses[0])).Succeeded().Output);

        // It is gone from the list once it has been told; the other one stays.
        var left = Assert.Single((await RunAsync("connections", "list", "--json", "--server", server.Addresses[0])).Succeeded().Objects, connection => connection.GetProperty("id").GetString() != id);
        var closed = Assert.Single((await RunAsync("connections", "close", left.GetProperty("id").GetString()!, "--json", "--server", server.Addresses[0])).Succeeded().Objects);
        Assert.Equal($$"""{"connection":"{{left.GetProperty("id").GetString()}}","closed":true}""", closed.GetRawText());
        Assert.StartsWith("ERROR", await ReadAsync(other), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("show")]
    [InlineData("close")]
    public async Task AConnectionThatIsNotThere_IsNotFound(string command)
    {
        await using var server = await StartAsync();

        (await RunAsync("connections", command, "no/such", "--server", server.Addresses[0]))
            .Failed(ExitCodes.NotFound, "millrace: This node has no STOMP connection 'no/such': it may have ended.");
        (await RunAsync("connections", command, "..", "--server", server.Addresses[0])).Failed(ExitCodes.NotFound, "This node has no STOMP connection '..'");
        (await RunAsync("connections", command, "", "--server", server.Addresses[0])).Failed(ExitCodes.Usage, "millrace: ID must not be empty: 'millrace connections list' shows the ids.");
    }

    [Fact]
    public async Task ANodeWithoutStomp_IsNotFound()
    {
        await using var server = await StartAsync(options => options.Stomp = null);

        foreach (var args in new string[][] { ["list"], ["show", "x"], ["close", "x"] })
        {
            (await RunAsync(["connections", .. args, "--server", server.Addresses[0]])).Failed(ExitCodes.NotFound, "millrace: This node does not serve STOMP, so it has no connections of it.");
        }
    }

    [Fact]
    public async Task AStore_IsNoNode() =>
        (await RunAsync("connections", "list", "--url", "sqlite:./data.db?durability=full")).Failed(
            ExitCodes.Usage,
            "millrace: STOMP connections are those of a node, and 'sqlite:./data.db?durability=full' is a store: name the node with --server, such as http://127.0.0.1:7070; 'millrace serve' starts one.");

    [Fact]
    public async Task ANodeThatIsDown_IsAFailureThatSaysSo_WithoutItsPassword()
    {
        string address;
        await using (var server = await StartAsync())
        {
            address = server.Addresses[0];
        }

        var result = await RunAsync("connections", "list", "--server", address.Replace("://", "://ann:hunter2@", StringComparison.Ordinal));

        result.Failed(ExitCodes.Failed, $"millrace: The Millrace server at {address.Replace("://", "://ann:***@", StringComparison.Ordinal)} does not answer (");
        Assert.EndsWith("start it with 'millrace serve' there, or correct --server.\n", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OnANodeWithUsers_TheyAreForAdministrators()
    {
        var folder = Directory.CreateTempSubdirectory("millrace-connections-");
        var users = Path.Combine(folder.FullName, "users.json");
        var document = new UsersDocument(
            [
                new UserEntry { Name = "ada", Roles = [RoleEntry.Administrator], Password = PasswordHash.Create(Password, 1000) },
                new UserEntry { Name = "ann", Roles = ["worker"], Password = PasswordHash.Create(Password, 1000) },
            ],
            [new RoleEntry("worker", [new RoleRule { Allow = [Permission.Send, Permission.Receive], Queues = [TopicPattern.Parse("orders")] }])]);
        await UsersFile.EditAsync(users, mayCreate: true, _ => document, TimeProvider.System, Token);
        await using (var server = await StartAsync(options => options.Security = new SecurityOptions { UsersFile = users }))
        {
            await ConnectAsync(server, $"login:ann\npasscode:{Password}\n");
            var ann = server.Addresses[0].Replace("://", $"://ann:{Uri.EscapeDataString(Password)}@", StringComparison.Ordinal);
            var ada = server.Addresses[0].Replace("://", $"://ada:{Uri.EscapeDataString(Password)}@", StringComparison.Ordinal);

            foreach (var args in new string[][] { ["list"], ["show", "x"], ["close", "x"] })
            {
                (await RunAsync(["connections", .. args, "--server", ann])).Failed(ExitCodes.Failed, "does not allow this: The user 'ann' is no administrator of this node.");
                (await RunAsync(["connections", .. args, "--server", server.Addresses[0]])).Failed(ExitCodes.Failed, "does not let this client in: ");
            }

            Assert.Equal("ann", Assert.Single((await RunAsync("connections", "list", "--json", "--server", ada)).Succeeded().Objects).GetProperty("user").GetString());
        }

        folder.Delete(recursive: true);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
        {
            client.Dispose();
        }

        await _store!.DisposeAsync();
    }

    private Task<MillraceServer> StartAsync(Action<MillraceServerOptions>? configure = null)
    {
        var options = new MillraceServerOptions { Urls = { [0] = "http://127.0.0.1:0" }, Instances = { ["default"] = _store! }, Stomp = new StompServerOptions { Urls = { [0] = "stomp://127.0.0.1:0" } } };
        configure?.Invoke(options);
        return MillraceServer.StartAsync(options, Token);
    }

    /// <summary>A client with the id c-1 that holds the message that it sent.</summary>
    private async Task<NetworkStream> ConnectWithMessageAsync(MillraceServer server)
    {
        var client = await ConnectAsync(server, "client-id:c-1\n");
        await SendAsync(client, "SUBSCRIBE\nid:s\ndestination:/queue/orders\nack:client-individual\nprefetch-count:7\n\n\0SEND\ndestination:/queue/orders\n\nx\0");
        Assert.StartsWith("MESSAGE", await ReadAsync(client), StringComparison.Ordinal);

        // The node counts what it has written when the client may have it already.
        while (!await HasCountedAsync())
        {
            await Task.Yield();
        }

        return client;

        async Task<bool> HasCountedAsync()
        {
            var connections = (await RunAsync("connections", "list", "--json", "--server", server.Addresses[0])).Succeeded().Objects;
            var ours = connections.Single(static connection => connection.GetProperty("clientId").GetString() == "c-1");
            return ours.GetProperty("messagesDelivered").GetInt32() == 1 && ours.GetProperty("pendingBytes").GetInt32() == 0;
        }
    }

    private async Task<NetworkStream> ConnectAsync(MillraceServer server, string headers = "")
    {
        var address = new Uri(server.Addresses[1]);
        var client = new TcpClient();
        _clients.Add(client);
        await client.ConnectAsync(address.Host, address.Port, Token);
        await SendAsync(client.GetStream(), $"CONNECT\naccept-version:1.2\n{headers}\n\0");
        Assert.StartsWith("CONNECTED", await ReadAsync(client.GetStream()), StringComparison.Ordinal);
        return client.GetStream();
    }

    private static async Task SendAsync(NetworkStream stream, string frames) => await stream.WriteAsync(Encoding.UTF8.GetBytes(frames), Token);

    /// <summary>The next frame; empty at the end.</summary>
    private static async Task<string> ReadAsync(NetworkStream stream)
    {
        var frame = new StringBuilder();
        var one = new byte[1];
        while (await stream.ReadAsync(one, Token) > 0 && one[0] != 0)
        {
            frame.Append((char)one[0]);
        }

        return frame.ToString().TrimStart('\n');
    }

    private static async Task<CliResult> RunAsync(params string[] args)
    {
        var output = new MemoryStream();
        var error = new StringWriter();
        var context = new CliContext { Input = Stream.Null, Output = output, Error = TextWriter.Synchronized(error), ReadVariable = static _ => null };
        var code = await CommandLine.RunAsync(args, context, Token);
        return new CliResult(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }
}
