using System.Diagnostics;
using Millrace.Server.Api;
using Millrace.Server.Tests.Api.Description;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Api.Fuzz;

/// <summary>
/// Random requests made from the description of a running server, with valid work beside them: no fault, no hang, no answer that is not described, and nothing left when
/// the clients are gone. 3,000 requests; 200,000 with MILLRACE_FULL=1. MILLRACE_SEED replays.
/// </summary>
[Collection(nameof(AloneTests))]
public sealed class FuzzTests
{
    public const int MaxRequestBytes = 512 * 1024;

    private const int Lanes = 4;
    private const int Phases = 10;
    // What pools keep goes up and down by 10 MiB; 200 bytes for each request of the full size are more than this.
    private const long MaxGrowthBytes = 32 * 1024 * 1024;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RandomRequests_MadeFromTheDescription_LeaveTheServerAsItWas()
    {
        var seed = TestScale.Seed();
        var total = TestScale.IsFull ? 200_000 : 3_000;
        var began = Stopwatch.GetTimestamp();
        var time = new ManualTimeProvider();
        await using var host = await ApiHost.StartAsync(
            new ApiLimits { MaxRequestBytes = MaxRequestBytes, MaxWait = TimeSpan.FromMilliseconds(30), ReceiverIdleTime = TimeSpan.FromHours(1), MaxSubscriptions = 50, MaxReceivers = 2_000 },
            time,
            "memory:?history=10");
        using var connections = new OpenConnections(host.Address.Port);
        var description = new ServedDescription((await host.JsonAsync(HttpMethod.Get, "/openapi.json"))!);
        var lanes = Enumerable.Range(0, Lanes).Select(lane => new FuzzLane(host, description, unchecked((seed * 31) + lane))).ToArray();
        var heap = new List<long>();
        var completed = 0;
        for (var phase = 0; phase < Phases; phase++)
        {
            completed += await RunPhaseAsync(host, lanes, total / Phases / Lanes);
            await QuiesceAsync(host, time, connections);
            heap.Add(GC.GetTotalMemory(forceFullCollection: true));
        }

        var statuses = lanes.SelectMany(lane => lane.Statuses).GroupBy(status => status.Key, status => status.Value).OrderBy(status => status.Key);
        TestScale.Report($"{total} requests in {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s beside {completed} messages of steady work; answers: "
            + string.Join(", ", statuses.Select(status => $"{status.Key}: {status.Sum()}")));
        TestScale.Report($"heap after each tenth, in KiB: {string.Join(", ", heap.Select(bytes => bytes / 1024))}");
        Assert.True(heap[^1] - heap[0] < MaxGrowthBytes, $"The heap grew by {heap[^1] - heap[0]:N0} bytes.");
        host.Log.RequireNoFault();
    }

    private static async Task<int> RunPhaseAsync(ApiHost host, FuzzLane[] lanes, int count)
    {
        using var stopping = new CancellationTokenSource();
        var work = new SteadyWork(host);
        var working = work.RunAsync(stopping.Token);
        try
        {
            await Task.WhenAll(lanes.Select(lane => Task.Run(() => lane.RunAsync(count), Cancellation)));
        }
        finally
        {
            await stopping.CancelAsync();
            foreach (var lane in lanes)
            {
                await lane.DisposeAsync();
            }
        }

        await working;
        return work.Completed;
    }

    // The clients are gone; every lease has ended by the server's clock; what was stored is deleted.
    private static async Task QuiesceAsync(ApiHost host, ManualTimeProvider time, OpenConnections connections)
    {
        // The one that fetched the description is idle, and stays.
        await UntilAsync(() => connections.Count <= 1 && host.Instance.Subscriptions == 0, () => $"{connections.Count} connections, {host.Instance.Subscriptions} subscriptions");
        time.Advance(TimeSpan.FromMilliseconds(ReceiverEndpoints.LongestLeaseMs) + TimeSpan.FromHours(2));
        await UntilAsync(() => host.Instance.Receivers.Count == 0, () => $"{host.Instance.Receivers.Count} receivers");
        while (await host.Instance.Admin.ListQueuesAsync("", null, 1000, Cancellation) is { Count: > 0 } queues)
        {
            foreach (var queue in queues)
            {
                await host.Instance.Admin.DeleteQueueAsync(queue, Cancellation);
            }
        }

        while (await host.Instance.State.ListAsync("", null, 1000, Cancellation) is { Documents: { Count: > 0 } documents })
        {
            foreach (var document in documents)
            {
                await host.Instance.State.DeleteAsync(document.Key, null, Cancellation);
            }
        }
    }

    // Kestrel and the store learn by themselves that a client is gone, and tell nobody.
    private static async Task UntilAsync(Func<bool> condition, Func<string> what)
    {
        var began = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < TestScale.Patience, $"After {TestScale.Patience.TotalSeconds} s there are still {what()}.");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancellation);
        }
    }
}
