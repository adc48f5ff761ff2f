using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Redis.Queues;
using Millrace.Storage;
using Millrace.Testing;

namespace Millrace.Redis.Tests.Queues;

/// <summary>Queues on the shared server, by a clock that tests move: what depends on time is checked to the microsecond, and random histories have time in them.</summary>
public sealed class ClockedFixture : BackendFixture
{
    private readonly string _prefix = "c" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];
    private readonly List<IRedisExecutor> _executors = [];
    private readonly ServerClock _clock = new();

    public override IConformanceClock Clock => _clock;

    public override bool CanReopen => true;

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken)
    {
        var server = await RedisFixture.Server.WaitAsync(cancellationToken);
        var options = RedisOptions.Parse(BackendUrl.Parse($"redis://{server.EndPoint}?prefix={_prefix}"));
        var executor = new ClockedExecutor(await RedisDialing.OpenAsync(options, new BackendContext(), cancellationToken));
        _executors.Add(executor);
        await _clock.UseAsync(executor, _prefix + ":clock");
        var writes = new ReplicatedWrites(executor, replicas: 0, TimeSpan.FromSeconds(1));
        return Backend.Of("redis", RedisQueueStore.Create(executor, writes, new RedisKeys(_prefix), createsQueues: true, StoreDurability.Engine, _clock.TimeProvider));
    }

    public override async ValueTask DisposeAsync()
    {
        foreach (var executor in _executors)
        {
            await executor.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    /// <summary>A clock for both sides: the one of the server's scripts is a key, and goes ahead of the clients' timers.</summary>
    private sealed class ServerClock : IConformanceClock
    {
        private readonly ManualConformanceClock _inner = new();
        private IRedisExecutor? _executor;
        private string _key = "";

        public TimeProvider TimeProvider => _inner.TimeProvider;

        public TimeSpan Unit => _inner.Unit;

        public TimeSpan LongLease => _inner.LongLease;

        public TimeSpan Margin => _inner.Margin;

        public async ValueTask UseAsync(IRedisExecutor executor, string key)
        {
            (_executor, _key) = (executor, key);
            await SetAsync(TimeProvider.GetUtcNow());
        }

        public async ValueTask AdvanceAsync(TimeSpan by, CancellationToken cancellationToken = default)
        {
            await SetAsync(TimeProvider.GetUtcNow() + by);
            await _inner.AdvanceAsync(by, cancellationToken);
        }

        private async ValueTask SetAsync(DateTimeOffset now)
        {
            var microseconds = RedisTime.MicrosecondsOf(now);
            var script = RedisScript.Of("clock", "redis.call('DEL', KEYS[1]) return redis.call('RPUSH', KEYS[1], ARGV[1], ARGV[2])");
            await _executor!.ExecuteAsync(script.Call(_key).Add(microseconds / 1_000_000).Add(microseconds % 1_000_000), CancellationToken.None);
        }
    }
}
