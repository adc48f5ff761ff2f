using System.Collections.Concurrent;
using System.Text;
using Millrace.Redis.Client;
using Millrace.Redis.Queues;
using Millrace.Storage;
using Millrace.Testing;

namespace Millrace.Redis.Tests.Clocks;

/// <summary>
/// A clock for both sides that tests move: the one of the servers' scripts is a key beside those that a script touches, and goes ahead of the clients' timers. So what depends on
/// time is checked to the microsecond, however busy the machine is. The connections themselves keep the real time.
/// </summary>
internal sealed class ServerClock : IConformanceClock, IAsyncDisposable
{
    private static readonly RedisScript Set = RedisScript.Of("clock", "redis.call('DEL', KEYS[1]) return redis.call('RPUSH', KEYS[1], ARGV[1], ARGV[2])");

    private readonly ManualConformanceClock _inner = new();
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, Lazy<Task>> _tags = new(StringComparer.Ordinal);
    private IRedisExecutor? _hand;
    private DateTimeOffset _now;

    public ServerClock() => _now = TimeProvider.GetUtcNow();

    public TimeProvider TimeProvider => _inner.TimeProvider;

    public TimeSpan Unit => _inner.Unit;

    public TimeSpan LongLease => _inner.LongLease;

    public TimeSpan Margin => _inner.Margin;

    /// <summary>Opens the backend by this clock.</summary>
    public async ValueTask<Backend> OpenAsync(BackendUrl url, CancellationToken cancellationToken)
    {
        var options = RedisOptions.Parse(url);
        _hand ??= await RedisDialing.OpenAsync(options, new BackendContext(), cancellationToken);
        return RedisBackend.Over(new ClockedExecutor(await RedisDialing.OpenAsync(options, new BackendContext(), cancellationToken), this), options, TimeProvider);
    }

    /// <summary>Sees to it that scripts whose keys have this hash tag find the time beside them.</summary>
    public Task TellAsync(ReadOnlySpan<byte> tag)
    {
        var text = Encoding.UTF8.GetString(tag);
        return _tags.GetOrAdd(text, static (tag, clock) => new Lazy<Task>(() => clock.SetAsync(tag)), this).Value;
    }

    public async ValueTask AdvanceAsync(TimeSpan by, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            _now = TimeProvider.GetUtcNow() + by;
        }

        await Task.WhenAll(_tags.Keys.Select(SetAsync));
        await _inner.AdvanceAsync(by, cancellationToken);
    }

    public ValueTask DisposeAsync() => _hand?.DisposeAsync() ?? default;

    private async Task SetAsync(string tag)
    {
        ValueTask<RedisReply> reply;

        // Sent under the gate, so that an earlier time never follows a later one.
        lock (_gate)
        {
            var microseconds = RedisTime.MicrosecondsOf(_now);
            reply = _hand!.ExecuteAsync(Set.Call(tag + ClockedExecutor.ClockKey).Add(microseconds / 1_000_000).Add(microseconds % 1_000_000), CancellationToken.None);
        }

        await reply;
    }
}
