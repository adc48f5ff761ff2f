using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using Millrace.Redis.Client;

namespace Millrace.Redis.Tests.Queues;

/// <summary>
/// Lets the scripts of queues run by a clock that tests move: each is replaced by one that reads the time from a key of its prefix, and is the same in everything else.
/// </summary>
internal sealed class ClockedExecutor(IRedisExecutor inner) : IRedisExecutor
{
    private const string ServerClock = "call('TIME')";
    private const string TestClock = "call('LRANGE', string.match(KEYS[1], '{(.-):queue:') .. ':clock', 0, 1)";

    private readonly ConcurrentDictionary<RedisScript, Task<RedisScript>> _scripts = new();

    public bool IsCluster => inner.IsCluster;

    public async ValueTask<RedisReply> ExecuteAsync(RedisCommand command, CancellationToken cancellationToken)
    {
        await ReplaceAsync(command);
        return await inner.ExecuteAsync(command, cancellationToken);
    }

    public ValueTask<RedisReply[]> ExecuteBlockingAsync(IReadOnlyList<RedisCommand> commands, TimeSpan longest, CancellationToken cancellationToken) =>
        inner.ExecuteBlockingAsync(commands, longest, cancellationToken);

    public ValueTask<IReadOnlyList<(string Server, RedisReply Reply)>> ExecuteOnPrimariesAsync(Func<RedisCommand> command, CancellationToken cancellationToken) =>
        inner.ExecuteOnPrimariesAsync(command, cancellationToken);

    public ValueTask ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

    public string ServerOf(RedisCommand command) => inner.ServerOf(command);

    public ValueTask<IAsyncDisposable> SubscribeAsync(RedisSubscriptionKind kind, string name, IRedisListener listener, CancellationToken cancellationToken) =>
        inner.SubscribeAsync(kind, name, listener, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async ValueTask ReplaceAsync(RedisCommand command)
    {
        if (command.Script is not { } script || !Encoding.UTF8.GetString(script.Text.Span).Contains(ServerClock, StringComparison.Ordinal))
        {
            return;
        }

        var clocked = await _scripts.GetOrAdd(script, LoadAsync);
        var bytes = MemoryMarshal.AsMemory(command.Encode());
        clocked.Digest.CopyTo(bytes[bytes.Span.IndexOf(script.Digest.Span)..]);
    }

    private async Task<RedisScript> LoadAsync(RedisScript script)
    {
        var text = Encoding.UTF8.GetString(script.Text.Span).Replace(ServerClock, TestClock, StringComparison.Ordinal);
        await inner.ExecuteAsync(RedisCommand.Create("SCRIPT").Add("LOAD").Add(text), CancellationToken.None);
        return RedisScript.Of(script.Name, text);
    }
}
