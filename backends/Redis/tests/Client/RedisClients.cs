using Millrace.Redis.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>Opens clients for tests.</summary>
internal static class RedisClients
{
    public static ValueTask<IRedisExecutor> OpenAsync(string url, CancellationToken cancellationToken) =>
        RedisDialing.OpenAsync(RedisOptions.Parse(BackendUrl.Parse(url)), new BackendContext(), cancellationToken);

    public static async Task<string> ExecuteAsync(this IRedisExecutor client, string name, params string[] arguments) =>
        Replies.Show(await client.ExecuteAsync(Command(name, arguments), TestContext.Current.CancellationToken));

    /// <summary>A command whose first argument is its key.</summary>
    public static RedisCommand Command(string name, params string[] arguments)
    {
        var command = RedisCommand.Create(name);
        for (var i = 0; i < arguments.Length; i++)
        {
            command = i == 0 ? command.AddKey(arguments[i]) : command.Add(arguments[i]);
        }

        return command;
    }
}
