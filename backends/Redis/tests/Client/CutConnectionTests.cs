using Millrace.Redis.Client;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>Connections that end at the worst moment, and replies that come too late.</summary>
public sealed class CutConnectionTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Cut_InTheMiddleOfAReply_LeavesTheFateOfTheCommandOpen()
    {
        await using var server = new ScriptedServer(async (connection, cancellation) =>
        {
            await connection.ReadCommandAsync(cancellation);
            await connection.SendAsync(connection.Number == 0 ? "$5\r\nhe" : "$5\r\nhello\r\n", cancellation);
        });
        await using var client = await RedisClients.OpenAsync(server.Url, Cancellation);
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => client.ExecuteAsync("GET", "a"));
        Assert.True(fault.MayHaveBeenApplied);
        Assert.Contains("in the middle of a reply", fault.Message, StringComparison.Ordinal);
        Assert.Equal("'hello'", await client.ExecuteAsync("GET", "a"));
    }

    [Fact]
    public async Task Cut_OfACommandThatMayBeRepeated_IsNotSeen()
    {
        await using var server = new ScriptedServer(async (connection, cancellation) =>
        {
            await connection.ReadCommandAsync(cancellation);
            if (connection.Number >= 3)
            {
                await connection.SendAsync("$2\r\nok\r\n", cancellation);
                await connection.ReadCommandAsync(cancellation);
            }
        });
        await using var client = await RedisClients.OpenAsync(server.Url, Cancellation);
        Assert.Equal("'ok'", Replies.Show(await client.ExecuteAsync(RedisClients.Command("GET", "a").MayRepeat(), Cancellation)));
    }

    [Fact]
    public async Task Reply_ThatComesTooLate_ReachesNobodyElse()
    {
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new ScriptedServer(async (connection, cancellation) =>
        {
            // One reply now and then, so that the connection is alive though one command is not answered in time.
            await connection.ReadCommandAsync(cancellation);
            await connection.SendAsync("+first\r\n", cancellation);
            await connection.ReadCommandAsync(cancellation);
            while (!released.Task.IsCompleted)
            {
                await connection.SendAsync(">1\r\n+alive\r\n", cancellation);
                await Task.WhenAny(released.Task, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellation));
            }

            await connection.ReadCommandAsync(cancellation);
            await connection.SendAsync("+late\r\n+mine\r\n", cancellation);
            await connection.ReadCommandAsync(cancellation);
        });
        await using var client = await RedisClients.OpenAsync(server.Url + "?timeoutMs=2500", Cancellation);
        Assert.Equal("+first", await client.ExecuteAsync("ECHO", "first"));
        var late = await Assert.ThrowsAsync<BackendUnavailableException>(() => client.ExecuteAsync("ECHO", "late"));
        Assert.True(late.MayHaveBeenApplied);
        Assert.Contains("has not answered within 2500 ms", late.Message, StringComparison.Ordinal);
        released.SetResult();
        Assert.Equal("+mine", await client.ExecuteAsync("ECHO", "mine"));
    }

    [Theory]
    [InlineData("nonsense\r\n")]
    [InlineData("+one\r\n+two\r\n")]
    [InlineData("*99999999\r\n")]
    public async Task Server_ThatTalksNonsense_IsLeft(string nonsense)
    {
        await using var server = new ScriptedServer(async (connection, cancellation) =>
        {
            await connection.ReadCommandAsync(cancellation);
            await connection.SendAsync(connection.Number == 0 ? nonsense : "+fine\r\n", cancellation);
            await connection.ReadCommandAsync(cancellation);
        });
        await using var client = await RedisClients.OpenAsync(server.Url, Cancellation);
        var fault = await Record.ExceptionAsync(() => client.ExecuteAsync("ECHO", "x"));
        Assert.True(fault is null or BackendUnavailableException, fault?.ToString());
        Assert.Equal("+fine", Replies.Show(await client.ExecuteAsync(RedisCommand.Create("PING").MayRepeat(), Cancellation)));
    }

    [Fact]
    public async Task Commands_BeyondTheBound_WaitForRoom()
    {
        const int many = 100_000;
        await using var server = new ScriptedServer(async (connection, cancellation) =>
        {
            for (var i = 0; i < many; i++)
            {
                var command = await connection.ReadCommandAsync(cancellation);
                await connection.SendAsync($"+{command[5..]}\r\n", cancellation);
            }

            await connection.ReadCommandAsync(cancellation);
        });
        await using var client = await RedisClients.OpenAsync(server.Url + "?timeoutMs=60000", Cancellation);
        var calls = Enumerable.Range(0, many).Select(i => client.ExecuteAsync(RedisCommand.Create("ECHO").Add(i), Cancellation).AsTask()).ToList();
        var replies = await Task.WhenAll(calls);
        for (var i = 0; i < many; i++)
        {
            Assert.Equal($"+{i}", Replies.Show(replies[i]));
        }
    }
}
