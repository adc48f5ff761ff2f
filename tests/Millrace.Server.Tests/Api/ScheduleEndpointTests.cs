using System.Net;
using System.Text.Json.Nodes;
using Millrace.Client;
using Millrace.Scheduling;
using Millrace.Scheduling.Triggers;
using Millrace.Server.Tests.Access;
using Millrace.Server.Tests.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Api;

public sealed class ScheduleEndpointTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ASchedule_IsDefinedShownChangedPausedRunAndRemoved()
    {
        await using var host = await ApiHost.StartAsync();

        using (var created = await host.SendAsync(HttpMethod.Put, "/schedules/nightly", """{"trigger":{"cron":"0 3 * * *","zone":"Europe/Berlin"},"message":{"text":"x"},"queue":"q"}"""))
        {
            Assert.Equal(HttpStatusCode.Created, created.StatusCode);
        }

        var first = (int)(await host.JsonAsync(HttpMethod.Get, "/schedules/nightly"))["version"]!;
        Assert.Equal("unchanged", await ChangeAsync("""{"trigger":"0 3 * * * in Europe/Berlin","message":{"text":"x"},"queue":"q"}"""));
        Assert.Equal("updated", await ChangeAsync("""{"trigger":"0 4 * * * in Europe/Berlin","message":{"text":"x"},"queue":"q"}"""));
        await DoneAsync(HttpMethod.Post, "/schedules/nightly/pause");
        var run = (string)(await host.JsonAsync(HttpMethod.Post, "/schedules/nightly/run"))["run"]!;

        var shown = await host.JsonAsync(HttpMethod.Get, "/schedules/nightly");
        Assert.Equal("paused", (string)shown["status"]!);
        Assert.Null(shown["nextDue"]);
        Assert.Equal((1, "api"), ((int)shown["fired"]!, (string)shown["source"]!));
        Assert.True((int)shown["version"]! > first);
        Assert.Equal("""{"name":"nightly","trigger":{"cron":"0 4 * * *","zone":"Europe/Berlin"},"message":{"text":"x"},"queue":"q"}""", shown["definition"]!.ToJsonString());
        Assert.Equal("eA==", (string)(await host.JsonAsync(HttpMethod.Get, $"/queues/q/messages/{Uri.EscapeDataString(run)}"))["body"]!);
        Assert.Equal("unchanged", await ChangeAsync(shown["definition"]!.ToJsonString()));

        await DoneAsync(HttpMethod.Post, "/schedules/nightly/resume");
        Assert.Equal("active", (string)(await host.JsonAsync(HttpMethod.Get, "/schedules/nightly"))["status"]!);
        await DoneAsync(HttpMethod.Delete, "/schedules/nightly");
        foreach (var (method, path) in new[] { (HttpMethod.Get, ""), (HttpMethod.Get, "/next"), (HttpMethod.Delete, ""), (HttpMethod.Post, "/pause"), (HttpMethod.Post, "/resume"), (HttpMethod.Post, "/run") })
        {
            await host.RefusedAsync(HttpStatusCode.NotFound, "schedule-not-found", method, "/schedules/nightly" + path);
        }

        async Task<string> ChangeAsync(string definition) => (string)(await host.JsonAsync(HttpMethod.Put, "/schedules/nightly", definition))["change"]!;

        async Task DoneAsync(HttpMethod method, string path)
        {
            using var answer = await host.SendAsync(method, path);
            Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        }
    }

    [Fact]
    public async Task AList_IsNarrowedByPrefixTagAndStatus_AndComesInPages()
    {
        await using var host = await ApiHost.StartAsync();
        foreach (var (name, more) in new[] { ("a1", ""), ("a2", ""","tags":["t"]"""), ("a3", ""","enabled":false"""), ("b", ""","tags":["t"]""") })
        {
            await host.JsonAsync(HttpMethod.Put, $"/schedules/{name}", $$"""{"trigger":"0 3 * * *","message":{"text":"x"},"queue":"q"{{more}}}""");
        }

        Assert.Equal(("a1,a2", "a2"), await ListAsync("?limit=2"));
        Assert.Equal(("a3,b", "b"), await ListAsync("?limit=2&after=a2"));
        Assert.Equal(("a1,a2,a3", null), await ListAsync("?prefix=a"));
        Assert.Equal(("a2,b", null), await ListAsync("?tag=t"));
        Assert.Equal(("a3", null), await ListAsync("?status=disabled"));
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Get, "/schedules?status=asleep");

        async Task<(string Names, string? Next)> ListAsync(string query)
        {
            var page = await host.JsonAsync(HttpMethod.Get, "/schedules" + query);
            return (string.Join(',', page["schedules"]!.AsArray().Select(schedule => (string)schedule!["name"]!)), (string?)page["next"]);
        }
    }

    [Fact]
    public async Task TheNextOccurrences_AreThoseOfTheTrigger_AfterATime()
    {
        await using var host = await ApiHost.StartAsync();
        await host.JsonAsync(HttpMethod.Put, "/schedules/s", """{"trigger":"30 2 * * * in Europe/Berlin","message":{"text":"x"},"queue":"q","end":"2099-03-30T00:00:00Z"}""");

        var next = await host.JsonAsync(HttpMethod.Get, "/schedules/s/next?count=2&from=2099-03-27T12:00:00Z");

        Assert.Equal(["2099-03-28T01:30:00+00:00", "2099-03-29T01:00:00+00:00"], next["occurrences"]!.AsArray().Select(due => (string)due!));
        Assert.Equal(10, (await host.JsonAsync(HttpMethod.Get, "/schedules/s/next"))["occurrences"]!.AsArray().Count);
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Get, "/schedules/s/next?from=soon");
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Get, "/schedules/s/next?count=0");
    }

    [Theory]
    [InlineData("""{"trigger":"0 25 * * *","message":{"text":"x"}}""", "invalid-schedule", "at position 2")]
    [InlineData("""{"trigger":{"cron":"0 3 * * *","zone":"Mars/Base"},"message":{"text":"x"}}""", "invalid-schedule", "Mars/Base")]
    [InlineData("""{"trigger":"0 3 30 2 *","message":{"text":"x"}}""", "invalid-schedule", "")]
    [InlineData("""{"trigger":"at 2001-01-01T00:00:00Z","message":{"text":"x"},"queue":"q"}""", "invalid-schedule", "never due")]
    [InlineData("""{"trigger":"0 3 * * *","message":{"text":"x"}}""", "invalid-schedule", "names no queue")]
    [InlineData("""{"trigger":"0 3 * * *","message":{"text":"x"},"queue":"q","misfire":{"policy":"skip","graceMs":0}}""", "invalid-schedule", "1 s to a day")]
    [InlineData("""{"trigger":{"every":"1s","every":"2s"},"message":{"text":"x"}}""", "invalid-", "")]
    [InlineData("""{"trigger":"\ud800","message":{"text":"x"}}""", "invalid-request", "no valid text")]
    [InlineData("""{"trigger":{"cron":"\udfff"},"message":{"text":"x"}}""", "invalid-request", "no valid text")]
    [InlineData("""{"trigger":{"\udfff":"x"},"message":{"text":"x"}}""", "invalid-", "")]
    [InlineData("""{"trigger":5,"message":{"text":"x"}}""", "invalid-schedule", "")]
    [InlineData("""{"trigger":{},"message":{"text":"x"}}""", "invalid-schedule", "")]
    [InlineData("""{"message":{"text":"x"}}""", "invalid-request", "trigger")]
    [InlineData("""{"trigger":"0 3 * * *"}""", "invalid-request", "does nothing")]
    [InlineData("""{"trigger":"0 3 * * *","job":{"name":"j"},"message":{"text":"x"}}""", "invalid-request", "not both")]
    [InlineData("""{"name":"other","trigger":"0 3 * * *","message":{"text":"x"}}""", "invalid-request", "other")]
    [InlineData("""{"trigger":"0 3 * * *","message":{"text":"x"},"timeoutMs":5}""", "invalid-schedule", "timeout")]
    [InlineData("""{"trigger":"0 3 * * *","message":{"text":"x"},"queue":"a!dead"}""", "invalid-name", "")]
    [InlineData("""{"trigger":"0 3 * * *","job":{"name":"j"},"retry":{"maxAttempts":0}}""", "invalid-schedule", "MaxAttempts")]
    public async Task ADefinition_ThatIsNotValid_IsRefused_WithWhatIsWrong(string definition, string code, string detail)
    {
        await using var host = await ApiHost.StartAsync();

        using var answer = await host.SendAsync(HttpMethod.Put, "/schedules/s", definition);
        var problem = await Problem.OfAsync(answer);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.StartsWith(code, problem.Code, StringComparison.Ordinal);
        Assert.Contains(detail, problem.Detail, StringComparison.Ordinal);
        await host.RefusedAsync(HttpStatusCode.NotFound, "schedule-not-found", HttpMethod.Get, "/schedules/s");
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData("a%40b")]
    [InlineData("a!b")]
    [InlineData("a%01b")]
    public async Task AName_ThatNoScheduleCanHave_IsRefused(string name)
    {
        await using var host = await ApiHost.StartAsync();

        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-name", HttpMethod.Put, $"/schedules/{name}", """{"trigger":"0 3 * * *","message":{"text":"x"}}""");
    }

    [Fact]
    public async Task ANode_FiresTheSchedulesOfItsStore_AlsoThoseThatOthersDefine_AndCountsThem()
    {
        await using var node = await TestNode.StartAsync(configure: options => options.RunsSchedulers = true);
        await using var mill = await MillraceClient.OpenAsync(node.Url, cancellationToken: Token);

        await mill.Schedules.PutAsync(AccessWorld.ScheduleOf("beat", "beats") with { Trigger = Trigger.Every(TimeSpan.FromMilliseconds(100)), MaxRuns = 3 }, cancellationToken: Token);

        await using var receiver = await mill.Require<IQueueStore>().OpenReceiverAsync("beats", new ReceiverOptions(), Token);
        var deliveries = new Delivery[10];
        for (var count = 0; count < 3;)
        {
            count += await receiver.LeaseAsync(deliveries, TimeSpan.FromSeconds(20), Token);
        }

        using var http = new HttpClient { BaseAddress = new Uri(node.Url) };
        var metrics = await http.GetStringAsync(new Uri("/metrics", UriKind.Relative), Token);
        Assert.Contains("""millrace_schedules{instance="default"} 1""", metrics, StringComparison.Ordinal);
        Assert.Contains("""millrace_schedules_fired_total{instance="default"} """, metrics, StringComparison.Ordinal);
        Assert.Contains("""millrace_schedules_overdue_seconds{instance="default"} """, metrics, StringComparison.Ordinal);
        Assert.Equal("healthy", (string)JsonNode.Parse(await http.GetStringAsync(new Uri("/api/health", UriKind.Relative), Token))!["status"]!);
    }

    [Fact]
    public async Task TheHistory_IsListedNewestFirst_Narrowed_InPages_AndSummarized()
    {
        await using var host = await ApiHost.StartAsync();
        var now = new DateTimeOffset(2026, 1, 31, 8, 0, 0, TimeSpan.Zero);
        for (var i = 0; i < 6; i++)
        {
            await host.Instance.Client.Runs.AppendAsync(new RunRecord
            {
                Run = $"r{i}",
                Job = i % 2 == 0 ? "even" : "odd",
                Schedule = i < 4 ? "s" : null,
                Queue = "jobs",
                Outcome = i == 3 ? RunOutcome.Failed : RunOutcome.Succeeded,
                ScheduledAt = now,
                StartedAt = now + TimeSpan.FromSeconds(1),
                FinishedAt = now + TimeSpan.FromMinutes(i),
                Duration = TimeSpan.FromMilliseconds(10 * (i + 1)),
                Node = "n",
                Attempt = 1,
                Result = i == 1 ? "{\"n\":1}" : null,
            });
        }

        Assert.Equal("r5,r4,r3,r2,r1,r0", await ListAsync("/runs"));
        Assert.Equal("r3,r2,r1,r0", await ListAsync("/schedules/s/runs"));
        Assert.Equal("r3", await ListAsync("/runs?outcome=failed"));
        Assert.Equal("r2,r0", await ListAsync("/runs?job=even&schedule=s"));
        Assert.Equal("r1", await ListAsync("/runs?run=r1"));
        Assert.Equal("r4,r3", await ListAsync("/runs?from=2026-01-31T08:03:00Z&to=2026-01-31T08:05:00Z"));
        var page = await host.JsonAsync(HttpMethod.Get, "/runs?limit=4");
        Assert.Equal("r1,r0", await ListAsync($"/runs?limit=4&after={page["next"]}"));
        Assert.Equal("""{"n":1}""", (await host.JsonAsync(HttpMethod.Get, "/runs?run=r1"))["runs"]![0]!["result"]!.ToJsonString());
        Assert.Equal(
            """{"succeeded":3,"retried":0,"failed":1,"cancelled":0,"skipped":0,"sent":0,"duration":{"minMs":10,"averageMs":25,"maxMs":40,"p99Ms":40},"lateness":{"minMs":1000,"averageMs":1000,"maxMs":1000,"p99Ms":1000}}""",
            (await host.JsonAsync(HttpMethod.Get, "/schedules/s/statistics")).ToJsonString());
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Get, "/runs?after=x");
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Get, "/runs?outcome=lost");

        async Task<string> ListAsync(string path) => string.Join(',', (await host.JsonAsync(HttpMethod.Get, path))["runs"]!.AsArray().Select(run => (string)run!["run"]!));
    }

    [Fact]
    public async Task ANode_ThatIsNotToldTo_FiresNothing()
    {
        await using var node = await TestNode.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(node.Url) };

        Assert.DoesNotContain("millrace_schedules", await http.GetStringAsync(new Uri("/metrics", UriKind.Relative), Token), StringComparison.Ordinal);
    }
}
