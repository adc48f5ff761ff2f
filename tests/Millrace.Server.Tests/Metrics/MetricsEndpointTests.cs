using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Millrace.Client;
using Millrace.Storage;
using Millrace.Streams;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Metrics;

public sealed class MetricsEndpointTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metrics_TellOfTheProcess_Requests_AndQueues()
    {
        var client = await OpenAsync("orders", "a \"quoted\" queue");
        await client.Queue<string>("orders").SendAsync("x", cancellationToken: Token);
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.Instances.Add("default", client);
            options.MapMore = endpoints => endpoints.MapGet("/things/{name}", context => context.Response.WriteAsync("x", context.RequestAborted));
        });
        using var first = await server.GetAsync("/things/1");
        using var second = await server.GetAsync("/things/2");
        using var missing = await server.GetAsync("/nothing");

        var samples = (await ScrapeAsync(server)).Samples;

        Assert.Equal(1, samples["millrace_queue_ready_messages{instance=default,queue=orders}"]);
        Assert.Equal(0, samples["millrace_queue_ready_messages{instance=default,queue=a \"quoted\" queue}"]);
        Assert.Equal(1, samples["millrace_queue_enqueued_total{instance=default,queue=orders}"]);
        Assert.Equal(1, samples["millrace_queue_counts_read{instance=default}"]);
        Assert.Equal(0, samples["millrace_queue_counts_cut"]);
        Assert.InRange(samples["process_resident_memory_bytes"], 1_000_000, 10_000_000_000);
        Assert.True(samples["process_cpu_seconds_total"] > 0);
        Assert.True(samples["process_open_fds"] > 3);
        Assert.Equal(2, samples.Single(sample => IsCount(sample.Key) && sample.Key.Contains("http_route=/things/{name}", StringComparison.Ordinal)).Value);
        Assert.Equal(1, samples.Single(sample => IsCount(sample.Key) && sample.Key.Contains("http_response_status_code=404", StringComparison.Ordinal)).Value);
        Assert.Equal(1, samples.Where(sample => sample.Key.StartsWith("http_server_active_requests", StringComparison.Ordinal)).Sum(sample => sample.Value));
        Assert.Contains(samples.Keys, key => key.StartsWith("kestrel_active_connections", StringComparison.Ordinal));
        Assert.Contains(samples.Keys, key => key.StartsWith("dotnet_gc_collections_total", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Metrics_OfTwoServersInOneProcess_DoNotMix()
    {
        await using var first = await RunningServer.StartAsync();
        await using var second = await RunningServer.StartAsync();
        using var live = await first.GetAsync("/health/live");

        var samples = (await ScrapeAsync(second)).Samples;

        Assert.DoesNotContain(samples.Keys, key => key.Contains("/health/live", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Metrics_OfMoreQueuesThanMayBeTold_AreCut_AndSaySo()
    {
        var client = await OpenAsync("a", "b", "c");
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.Instances.Add("default", client);
            options.MaxMetricQueues = 2;
        });

        var samples = (await ScrapeAsync(server)).Samples;

        Assert.Equal(2, samples.Keys.Count(key => key.StartsWith("millrace_queue_ready_messages", StringComparison.Ordinal)));
        Assert.Equal(1, samples["millrace_queue_counts_cut"]);
    }

    [Fact]
    public async Task Metrics_TellOfStreams_AndHowFarTheirGroupsAreBehind()
    {
        var client = await OpenAsync();
        await client.Streams.CreateAsync("clicks", new StreamSettings { Partitions = 3 }, Token);
        var partition = await client.Streams.OpenPartitionAsync("clicks", 1, Token);
        await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = new byte[10] }, new StreamRecord { Body = new byte[10] } }), Token);
        await client.Streams.SeekGroupAsync("clicks", "billing", 1, 1, Token);
        await partition.TrimAsync(1, Token);
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.Instances.Add("default", client);
            options.MaxMetricQueues = 2;
        });

        var samples = (await ScrapeAsync(server)).Samples;

        Assert.Equal(2, samples["millrace_stream_end_offset{instance=default,stream=clicks,partition=1}"]);
        Assert.Equal(1, samples["millrace_stream_earliest_offset{instance=default,stream=clicks,partition=1}"]);
        Assert.Equal(10, samples["millrace_stream_bytes{instance=default,stream=clicks,partition=1}"]);
        Assert.DoesNotContain("millrace_stream_end_offset{instance=default,stream=clicks,partition=2}", samples.Keys);
        Assert.Equal((1.0, 1.0), (samples["millrace_stream_counts_cut"], samples["millrace_stream_counts_read{instance=default}"]));
    }

    [Fact]
    public async Task Metrics_WithoutTheCountsOfAnInstance_SayThatAndTheRest()
    {
        var broken = await OpenAsync();
        var working = await OpenAsync("orders");
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.Instances.Add("broken", broken);
            options.Instances.Add("default", working);
        });
        await broken.DisposeAsync();

        var samples = (await ScrapeAsync(server)).Samples;

        Assert.Equal(0, samples["millrace_queue_counts_read{instance=broken}"]);
        Assert.Equal(0, samples["millrace_queue_ready_messages{instance=default,queue=orders}"]);
        Assert.Contains(server.Log.Entries, entry => entry.Id == 2220);
    }

    [Fact]
    public async Task Metrics_WithinASecond_AreReadFromTheStoresOnce()
    {
        var clock = new ManualTimeProvider();
        var client = await OpenAsync("orders");
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.TimeProvider = clock;
            options.Instances.Add("default", client);
        });
        await ScrapeAsync(server);
        await client.Queue<string>("orders").SendAsync("x", cancellationToken: Token);

        var same = (await ScrapeAsync(server)).Samples;
        clock.Advance(TimeSpan.FromSeconds(1));
        var later = (await ScrapeAsync(server)).Samples;

        const string Ready = "millrace_queue_ready_messages{instance=default,queue=orders}";
        Assert.Equal((0.0, 1.0), (same[Ready], later[Ready]));
    }

    [Fact]
    public async Task Metrics_AreForAdministrators()
    {
        await using var server = await RunningServer.StartAsync(options => options.MapMore = FakeCaller.Use);

        using var response = await server.GetAsync("/metrics");

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    private static bool IsCount(string key) => key.StartsWith("http_server_request_duration_seconds_count{", StringComparison.Ordinal);

    private static async Task<PrometheusText> ScrapeAsync(RunningServer server)
    {
        using var response = await server.GetAsync("/metrics");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        return PrometheusText.Parse(await response.Content.ReadAsStringAsync(Token));
    }

    private static async Task<MillraceClient> OpenAsync(params string[] queues)
    {
        var client = await MillraceClient.OpenAsync("memory:", cancellationToken: Token);
        foreach (var queue in queues)
        {
            await client.Require<IQueueAdmin>().CreateQueueAsync(queue, new QueueSettings(), Token);
        }

        return client;
    }
}
