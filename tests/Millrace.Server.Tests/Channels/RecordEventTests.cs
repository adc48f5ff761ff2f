using System.Net;
using Millrace.Server.Tests.Api;
using Millrace.Storage.Http.Wire;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Channels;

/// <summary>Following a stream by server-sent events.</summary>
public sealed class RecordEventTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Records_OfAllPartitions_ComeWithPositionsThatResume()
    {
        await using var host = await ApiHost.StartAsync();
        await host.JsonAsync(HttpMethod.Put, "/streams/s", """{"partitions":2}""");
        await host.JsonAsync(HttpMethod.Post, "/streams/s/batches", """{"partition":0,"records":[{"text":"a"},{"text":"two\nlines","headers":{"event":"note"}}]}""");
        using (var first = await FollowAsync(host, "/streams/s/events?from=first", "id: 0:-1,1:-1"))
        {
            Assert.Equal(["id: 0:0,1:-1", "data: a"], await ReadAsync(first));
            Assert.Equal(["id: 0:1,1:-1", "event: note", "data: two", "data: lines"], await ReadAsync(first));
            await host.JsonAsync(HttpMethod.Post, "/streams/s/records?partition=1", "b");
            Assert.Equal(["id: 0:1,1:0", "data: b"], await ReadAsync(first));
        }

        using var again = await FollowAsync(host, "/streams/s/events?partitions=0&format=json", "id: 0:0", "0:0");
        var (id, data) = (await ReadAsync(again)) is [var i, var d] ? (i, d) : default;
        Assert.Equal("id: 0:1", id);
        Assert.StartsWith("""data: {"partition":0,"offset":1,""", data, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatWasTrimmedMeanwhile_IsAGap_AndAtFirstAProblem()
    {
        await using var host = await ApiHost.StartAsync();
        await host.JsonAsync(HttpMethod.Put, "/streams/s");
        await host.JsonAsync(HttpMethod.Post, "/streams/s/batches", """{"records":[{"text":"a"},{"text":"b"},{"text":"c"}]}""");
        using var trimmed = await host.SendAsync(HttpMethod.Post, "/streams/s/partitions/0/trim", """{"beforeOffset":2}""");

        using var resumed = await FollowAsync(host, "/streams/s/events", "id: 0:0", "0:0");
        Assert.Equal(["id: 0:1", "event: gap", """data: {"partition":0,"offset":1,"earliestOffset":2}"""], await ReadAsync(resumed));
        Assert.Equal(["id: 0:2", "data: c"], await ReadAsync(resumed));

        var problem = await host.RefusedAsync(HttpStatusCode.Gone, "offset-out-of-range", HttpMethod.Get, "/streams/s/events?from=1");
        Assert.Contains("the earliest is 2", problem.Detail, StringComparison.Ordinal);
        await host.RefusedAsync(HttpStatusCode.Gone, "offset-out-of-range", HttpMethod.Get, "/streams/s/partitions/0/records?offset=0");
    }

    [Fact]
    public async Task APlaceBeyondTheEnd_IsAGapForWhoComesBack_AndAtFirstAProblem()
    {
        await using var host = await ApiHost.StartAsync();
        await host.JsonAsync(HttpMethod.Put, "/streams/s");
        await host.JsonAsync(HttpMethod.Post, "/streams/s/batches", """{"records":[{"text":"a"},{"text":"b"}]}""");

        using var resumed = await FollowAsync(host, "/streams/s/events", "id: 0:8", "0:8");
        Assert.Equal(["id: 0:1", "event: gap", """data: {"partition":0,"offset":9,"earliestOffset":0,"endOffset":2}"""], await ReadAsync(resumed));
        await host.JsonAsync(HttpMethod.Post, "/streams/s/records", "c");
        Assert.Equal(["id: 0:2", "data: c"], await ReadAsync(resumed));

        var problem = await host.RefusedAsync(HttpStatusCode.Gone, "offset-out-of-range", HttpMethod.Get, "/streams/s/events?from=9");
        Assert.Contains("lies beyond its end", problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/streams/s/events?from=yesterday", HttpStatusCode.BadRequest, "invalid-request")]
    [InlineData("/streams/s/events?partitions=0,x", HttpStatusCode.BadRequest, "invalid-request")]
    [InlineData("/streams/s/events?partitions=0-9", HttpStatusCode.NotFound, "partition-not-found")]
    [InlineData("/streams/other/events", HttpStatusCode.NotFound, "stream-not-found")]
    [InlineData("/streams/s/partitions/1/records", HttpStatusCode.NotFound, "partition-not-found")]
    [InlineData("/streams/s/partitions/x", HttpStatusCode.BadRequest, "invalid-request")]
    [InlineData("/streams/s/groups/g", HttpStatusCode.NotFound, "group-not-found")]
    public async Task WhatIsNotThere_IsAProblem(string path, HttpStatusCode status, string code)
    {
        await using var host = await ApiHost.StartAsync();
        await host.JsonAsync(HttpMethod.Put, "/streams/s");

        await host.RefusedAsync(status, code, HttpMethod.Get, path);
    }

    [Fact]
    public async Task ABatch_OfAProducer_IsStoredOnce_WhereverItsRecordsStand()
    {
        const string Batch = """{"producerId":"p","firstSequence":0,"records":[{"key":"a","text":"1"},{"key":"b","text":"2"},{"key":"c","text":"3"},{"text":"4"}]}""";
        await using var host = await ApiHost.StartAsync();
        await host.JsonAsync(HttpMethod.Put, "/streams/s", """{"partitions":4}""");

        var first = (await host.JsonAsync(HttpMethod.Post, "/streams/s/batches", Batch))["records"]!.AsArray();
        var again = (await host.JsonAsync(HttpMethod.Post, "/streams/s/batches", Batch))["records"]!.AsArray();

        Assert.Equal(first.Select(record => ((int)record!["partition"]!, (long)record["offset"]!)), again.Select(record => ((int)record!["partition"]!, (long)record["offset"]!)));
        Assert.All(again, record => Assert.True((bool)record!["duplicate"]!));
        Assert.Equal(4, (long)(await host.JsonAsync(HttpMethod.Get, "/streams/s/stats"))["records"]!);
        await host.RefusedAsync(HttpStatusCode.Conflict, "stream-mismatch", HttpMethod.Put, "/streams/s", """{"partitions":5}""");
    }

    [Fact]
    public async Task AQuietStream_SaysThatItIsAlive()
    {
        var clock = new ManualTimeProvider();
        await using var host = await ApiHost.StartAsync(time: clock);
        await host.JsonAsync(HttpMethod.Put, "/streams/s");
        using var stream = await FollowAsync(host, "/streams/s/events?from=first", "id: 0:-1");
        var next = ReadAsync(stream);
        while (!next.IsCompleted)
        {
            clock.Advance(EventNames.KeepAlive);
            await Task.Yield();
        }

        Assert.Equal([": still here"], await next);
        await host.JsonAsync(HttpMethod.Post, "/streams/s/records", "a");
        string[] lines;
        do
        {
            lines = await ReadAsync(stream);
        }
        while (lines is [": still here"]);
        Assert.Equal(["id: 0:0", "data: a"], lines);
    }

    private static async Task<StreamReader> FollowAsync(ApiHost host, string path, string start, string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(host.Address, ApiHost.Root + path));
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        var answer = await host.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal((HttpStatusCode.OK, "text/event-stream"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Token));
        Assert.Equal([": following", "retry: 2000"], await ReadAsync(reader));

        // Where it begins: an event without data, so that a browser that is cut off before the first record comes back to it.
        Assert.Equal([start], await ReadAsync(reader));
        return reader;
    }

    private static async Task<string[]> ReadAsync(StreamReader reader)
    {
        var lines = new List<string>();
        while (await reader.ReadLineAsync(Token).AsTask().WaitAsync(TestScale.Patience, Token) is { Length: > 0 } line)
        {
            lines.Add(line);
        }

        return [.. lines];
    }
}
