using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using Millrace.Redis.Client;

namespace Millrace.Redis.Tests.Clocks;

/// <summary>
/// Lets scripts run by a clock that tests move: each that asks for the time is replaced by one that reads it from a key with the hash tag of its own keys, and is the same in
/// everything else.
/// </summary>
internal sealed class ClockedExecutor(IRedisExecutor inner, ServerClock clock) : IRedisExecutor
{
    /// <summary>What follows the tag.</summary>
    public const string ClockKey = ":clock";

    private const string TheirClock = "call('TIME')";
    private const string OurClock = $"call('LRANGE', string.match(KEYS[1], '^{{[^}}]*}}') .. '{ClockKey}', 0, 1)";

    // What each becomes; null for one that never asks for the time.
    private static readonly ConcurrentDictionary<RedisScript, RedisScript?> Replacements = new();

    private readonly ConcurrentDictionary<RedisScript, Lazy<Task>> _loaded = new();

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
        if (command.Script is not { } script || Replacements.GetOrAdd(script, Replace) is not { } clocked)
        {
            return;
        }

        await _loaded.GetOrAdd(clocked, static (script, inner) => new Lazy<Task>(() => LoadAsync(script, inner)), inner).Value;
        await clock.TellAsync(PutIn(command, script, clocked));
    }

    private static RedisScript? Replace(RedisScript script)
    {
        var text = Encoding.UTF8.GetString(script.Text.Span);
        return text.Contains(TheirClock, StringComparison.Ordinal) ? RedisScript.Of(script.Name, text.Replace(TheirClock, OurClock, StringComparison.Ordinal)) : null;
    }

    // By every primary of a Cluster, because a server that lacks it is given the script as the command knows it.
    private static async Task LoadAsync(RedisScript script, IRedisExecutor inner) =>
        await inner.ExecuteOnPrimariesAsync(() => RedisCommand.Create("SCRIPT").Add("LOAD").Add(script.Text.Span), CancellationToken.None);

    /// <summary>Has the command call the other script, and gives the hash tag of its keys.</summary>
    private static ReadOnlySpan<byte> PutIn(RedisCommand command, RedisScript script, RedisScript clocked)
    {
        var bytes = MemoryMarshal.AsMemory(command.Encode()).Span;
        var digest = bytes[bytes.IndexOf(script.Digest.Span)..];
        clocked.Digest.Span.CopyTo(digest);
        var tag = digest[digest.IndexOf((byte)'{')..];
        return tag[..(tag.IndexOf((byte)'}') + 1)];
    }
}
