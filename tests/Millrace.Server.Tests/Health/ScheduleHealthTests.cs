using System.Text.Json;
using Millrace.Client;
using Millrace.Configuration;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;
using Millrace.Scheduling.Triggers;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Health;

public sealed class ScheduleHealthTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ANode_ThatCannotFireAScheduleForTooLong_IsDegraded_UntilItCan()
    {
        var clock = new ManualTimeProvider();
        await using var memory = await BackendRegistry.CreateDefault().OpenAsync("memory:", new BackendContext { TimeProvider = clock }, Token);
        var state = new FailingState(memory.State!);
        var registry = new BackendRegistry();
        registry.Add("failing", (_, _) => new FailingBackend(memory, state));
        var client = new MillraceClient("default", new InstanceUrls { Queue = "failing:" }, new MillraceClientOptions { Backends = registry, TimeProvider = clock });
        await client.EnsureOpenAsync(Token);
        await client.Schedules.PutAsync(
            new ScheduleDefinition { Name = "s", Trigger = Trigger.Every(TimeSpan.FromSeconds(1)), Target = new MessageTarget(), Queue = "q" }, cancellationToken: Token);
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.TimeProvider = clock;
            options.RunsSchedulers = true;
            options.Instances.Add("default", client);
        });
        Assert.Equal("healthy", (await HealthAsync(server)).GetProperty("status").GetString());

        state.IsFailing = true;
        clock.Advance(TimeSpan.FromSeconds(1));
        await state.Failed.Task.WaitAsync(TestScale.Patience, Token);
        clock.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal("healthy", (await HealthAsync(server)).GetProperty("status").GetString());
        clock.Advance(TimeSpan.FromSeconds(5));
        var health = await HealthAsync(server);
        Assert.Equal("degraded", health.GetProperty("status").GetString());
        Assert.Equal("degraded", health.GetProperty("checks").GetProperty("default").GetProperty("status").GetString());
        Assert.InRange(health.GetProperty("checks").GetProperty("default").GetProperty("schedulesOverdueMs").GetInt64(), 30_001, 35_000);

        state.IsFailing = false;
        for (var i = 0; (await HealthAsync(server)).GetProperty("status").GetString() != "healthy"; i++)
        {
            Assert.True(i < 1_000, "The node did not fire again.");
            clock.Advance(TimeSpan.FromSeconds(1));
        }
    }

    private static async Task<JsonElement> HealthAsync(RunningServer server)
    {
        using var response = await server.GetAsync("/api/health");
        return await RunningServer.ReadJsonAsync(response);
    }

    private sealed class FailingBackend(Backend memory, IStateStore state) : Backend
    {
        public override string Name => "failing";

        public override IQueueStore? Queues => memory.Queues;

        public override IStateStore? State => state;

        public override IHealthProbe Health => memory.Health;

        public override ValueTask DisposeAsync() => default;
    }

    /// <summary>A store that can be told to read no schedule.</summary>
    private sealed class FailingState(IStateStore inner) : IStateStore
    {
        public volatile bool IsFailing;

        public TaskCompletionSource Failed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default)
        {
            if (IsFailing && key.StartsWith(ScheduleKeys.DefinitionPrefix, StringComparison.Ordinal))
            {
                Failed.TrySetResult();
                throw new BackendUnavailableException("It is told to fail.");
            }

            return inner.GetAsync(key, cancellationToken);
        }

        public ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default) =>
            inner.PutAsync(key, value, expectedVersion, cancellationToken);

        public ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default) =>
            inner.DeleteAsync(key, expectedVersion, cancellationToken);

        public ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
            inner.ListAsync(prefix, after, limit, cancellationToken);

        public ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default) =>
            inner.WaitForChangeAsync(prefix, revision, cancellationToken);
    }
}
