using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Millrace.Client;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>What the documents of schedules and jobs let somebody do who has not the permissions for it; and that who has them can work with them through the backend <c>http:</c>.</summary>
public sealed class ScheduleAccessTests
{
    private const string Ann = "ann";

    private static readonly string[] OfJobs = ["!job!*", "!unique!*", "!batch!*", "!cancel!*", "!moved!*", "!rate!*"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AStateRole_OverAllKeys_MeansNoneOfThoseThatMillraceKeeps()
    {
        await using var node = await StartAsync(Rule([Permission.Send, Permission.Receive], state: "*"));
        var state = node.Store.Require<IStateStore>();
        await AccessWorld.MakeAsync(node.Store, "w");
        await state.PutAsync("!job!1", "{}"u8.ToArray(), null, Token);
        await state.PutAsync("z", "{}"u8.ToArray(), null, Token);
        await node.Store.Schedules.RunNowAsync("w", Token);

        var listed = JsonNode.Parse(await node.As(Ann).GetStringAsync(new Uri("state?limit=2", UriKind.Relative), Token))!;

        Assert.Equal(["w", "z"], listed["documents"]!.AsArray().Select(document => (string)document!["key"]!));
        foreach (var key in new[] { "!schedule!w", "!cursor!w", "!schedules", "!stream!w", "!job!1", "!unique!1", "!batch!1", "!cancel!1", "!rate!1" })
        {
            using var read = await node.As(Ann).GetAsync(new Uri("state/" + Uri.EscapeDataString(key), UriKind.Relative), Token);
            Assert.Equal(HttpStatusCode.Forbidden, read.StatusCode);
            Assert.Equal(HttpStatusCode.Forbidden, await PutAsync(node, key, "{}"));
            using var deleted = await node.As(Ann).DeleteAsync(new Uri("state/" + Uri.EscapeDataString(key), UriKind.Relative), Token);
            Assert.Equal(HttpStatusCode.Forbidden, deleted.StatusCode);
        }

        foreach (var prefix in new[] { "!", "!schedule", "!schedule!", "!cursor!", "!job!", "!stream!", "!group!" })
        {
            using var list = await node.As(Ann).GetAsync(new Uri("state?prefix=" + Uri.EscapeDataString(prefix), UriKind.Relative), Token);
            Assert.Equal(HttpStatusCode.Forbidden, list.StatusCode);
        }
    }

    [Fact]
    public async Task AStateRole_ThatNamesTheWord_ReachesTheDocumentsOfJobs()
    {
        await using var node = await StartAsync(Rule([Permission.Send, Permission.Receive], state: "!job!*"));

        Assert.Equal(HttpStatusCode.OK, await PutAsync(node, "!job!1", "{}"));
        using var list = await node.As(Ann).GetAsync(new Uri("state?prefix=!job!", UriKind.Relative), Token);
        Assert.Equal(HttpStatusCode.OK, list.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, await PutAsync(node, "!cancel!1", "{}"));
    }

    [Fact]
    public async Task AClientOfTheBackend_DefinesPausesRunsAndRemoves_WithThePermissionsForIt()
    {
        await using var node = await StartAsync(
            Rule([Permission.Send, Permission.Receive, Permission.Manage], schedules: "mine*"), Rule([Permission.Send], queues: "q"));
        await node.Store.Schedules.PutAsync(AccessWorld.ScheduleOf("theirs", "secret"), cancellationToken: Token);
        await using var mill = await MillraceClient.OpenAsync(node.UrlFor(Ann), cancellationToken: Token);

        Assert.Equal(ScheduleChange.Created, await mill.Schedules.PutAsync(AccessWorld.ScheduleOf("mine", "q"), cancellationToken: Token));
        Assert.True(await mill.Schedules.PauseAsync("mine", Token));
        var run = await mill.Schedules.RunNowAsync("mine", Token);
        Assert.NotNull(await node.Store.Require<IQueueAdmin>().GetMessageAsync("q", run!, Token));
        Assert.Equal(ScheduleStatus.Paused, (await mill.Schedules.GetAsync("mine", Token))!.Status);
        Assert.Equal("mine", Assert.Single(await mill.Schedules.ListAsync(new ScheduleQuery { Prefix = "mine" }, cancellationToken: Token)).Definition.Name);
        Assert.True(await mill.Schedules.RemoveAsync("mine", Token));

        await Assert.ThrowsAsync<AccessDeniedException>(async () => await mill.Schedules.PutAsync(AccessWorld.ScheduleOf("mine", "secret"), cancellationToken: Token));
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await mill.Schedules.PutAsync(AccessWorld.ScheduleOf("theirs", "q"), cancellationToken: Token));
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await mill.Schedules.GetAsync("theirs", Token));
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await mill.Schedules.RemoveAsync("theirs", Token));
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await mill.Schedules.ListAsync(cancellationToken: Token));
    }

    [Fact]
    public async Task TheApi_ShowsWhatOneMaySee_AndLetsNobodySendByAScheduleWhatTheyMayNot()
    {
        await using var node = await StartAsync(Rule([Permission.Send, Permission.Manage], schedules: "mine*"), Rule([Permission.Send], queues: "q"));
        await node.Store.Schedules.PutAsync(AccessWorld.ScheduleOf("mine-too", "secret"), cancellationToken: Token);
        await node.Store.Schedules.PutAsync(AccessWorld.ScheduleOf("theirs", "q"), cancellationToken: Token);

        var listed = JsonNode.Parse(await node.As(Ann).GetStringAsync(new Uri("schedules?limit=5", UriKind.Relative), Token))!;
        Assert.Equal(["mine-too"], listed["schedules"]!.AsArray().Select(schedule => (string)schedule!["name"]!));
        using var run = await node.As(Ann).PostAsync(new Uri("schedules/mine-too/run", UriKind.Relative), null, Token);
        Assert.Equal(HttpStatusCode.Forbidden, run.StatusCode);
        using var content = new StringContent("""{"trigger":"every 1s","message":{"text":"x"},"queue":"secret"}""", Encoding.UTF8, "application/json");
        using var define = await node.As(Ann).PutAsync(new Uri("schedules/mine", UriKind.Relative), content, Token);
        Assert.Equal(HttpStatusCode.Forbidden, define.StatusCode);
        Assert.Equal(["schedule.run mine-too/secret denied", "schedule.define mine/secret denied"], await node.AuditOfAsync(Ann));
    }

    [Fact]
    public async Task TheHistory_ShowsTheRunsOfWhatOneMaySee()
    {
        await using var node = await StartAsync(Rule([Permission.Receive], schedules: "mine*"), Rule([Permission.Receive], queues: "q"));
        await AppendRunsAsync(node);

        var first = JsonNode.Parse(await node.As(Ann).GetStringAsync(new Uri("runs?limit=2", UriKind.Relative), Token))!;
        Assert.Equal(["5", "3"], first["runs"]!.AsArray().Select(run => (string)run!["run"]!));
        var second = JsonNode.Parse(await node.As(Ann).GetStringAsync(new Uri($"runs?limit=2&after={first["next"]}", UriKind.Relative), Token))!;
        Assert.Equal(["1"], second["runs"]!.AsArray().Select(run => (string)run!["run"]!));
        Assert.Null(second["next"]);
        using var theirs = await node.As(Ann).GetAsync(new Uri("runs?schedule=theirs", UriKind.Relative), Token);
        Assert.Equal(HttpStatusCode.Forbidden, theirs.StatusCode);
    }

    [Fact]
    public async Task AClientOfTheBackend_SeesTheSameHistory_WithoutPermissionForItsStream()
    {
        await using var node = await StartAsync(Rule([Permission.Receive], schedules: "mine*"), Rule([Permission.Receive], queues: "q"));
        await AppendRunsAsync(node);
        await using var mill = await MillraceClient.OpenAsync(node.UrlFor(Ann), cancellationToken: Token);

        var first = await mill.Runs.ListAsync(new RunQuery { Limit = 2 }, Token);
        var second = await mill.Runs.ListAsync(new RunQuery { Limit = 2, Continuation = first.Next }, Token);
        var statistics = await mill.Runs.GetStatisticsAsync(new RunQuery { Since = DateTimeOffset.UnixEpoch }, Token);

        Assert.Equal([RunOf("5", "mine", "q"), RunOf("3", null, "q")], first.Runs);
        Assert.Equal([RunOf("1", "mine", "secret")], second.Runs);
        Assert.Null(second.Next);
        Assert.Equal((3, 0, TimeSpan.FromSeconds(1.5)), (statistics.Succeeded, statistics.Failed, statistics.Duration!.P99));
        Assert.Equal(1, (await mill.Runs.GetStatisticsAsync(new RunQuery { Run = "5", Outcome = RunOutcome.Succeeded }, Token)).Succeeded);
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await mill.Runs.ListAsync(new RunQuery { Schedule = "theirs" }, Token));
    }

    [Fact]
    public async Task AWorkerOfJobs_ThroughTheServer_RunsWhatTheServerFires_WithTheRoleOfTheGuide()
    {
        RoleRule[] rules =
        [
            new() { Allow = [Permission.Send, Permission.Receive, Permission.Manage], Queues = Patterns("jobs"), Streams = Patterns("millrace-runs") },
            new()
            {
                Allow = [Permission.Send, Permission.Receive],
                Schedules = Patterns("*"),
                Locks = Patterns("*"),
                State = [.. OfJobs.SelectMany(Patterns)],
            },
        ];
        await using var node = await AccessNode.StartAsync([AccessNode.User(Ann, "role")], [new RoleEntry("role", rules)], options => options.RunsSchedulers = true);
        await using var mill = await MillraceClient.OpenAsync(node.UrlFor(Ann), options => options.Jobs.Add<NoticedJob>(), Token);
        await node.Store.Schedules.PutAsync(AccessWorld.ScheduleOf("s") with { Target = new JobTarget { Job = "noticed" }, Queue = "jobs" }, cancellationToken: Token);
        var run = await node.Store.Schedules.RunNowAsync("s", Token);
        await using var worker = mill.JobWorker();
        await worker.StartAsync(Token);

        Assert.Equal(run, await NoticedJob.Ran.Task.WaitAsync(TestScale.Patience, Token));
        await worker.StopAsync(Token);

        Assert.Equal(1, (await node.Store.Schedules.GetAsync("s", Token))!.Succeeded);
        Assert.Equal(run, Assert.Single((await node.Store.Runs.ListAsync(new RunQuery { Schedule = "s" }, Token)).Runs).Run);
    }

    [Fact]
    public async Task TheDocumentOfASchedule_ThatAClientWrites_MustBeItsOwn_AndSendWhereTheClientMay()
    {
        await using var node = await StartAsync(Rule([Permission.Manage, Permission.Receive], schedules: "mine"), Rule([Permission.Send], queues: "q"));

        Assert.Equal(HttpStatusCode.BadRequest, await PutAsync(node, "!schedule!mine", "{}"));
        Assert.Equal(HttpStatusCode.BadRequest, await PutAsync(node, "!schedule!mine", Document("other", "q")));
        Assert.Equal(HttpStatusCode.Forbidden, await PutAsync(node, "!schedule!mine", Document("mine", "secret")));
        Assert.Equal(HttpStatusCode.Forbidden, await PutAsync(node, "!schedule!other", Document("other", "q")));
        Assert.Equal(HttpStatusCode.BadRequest, await PutAsync(node, "!schedules", "[]"));
        Assert.Equal(HttpStatusCode.OK, await PutAsync(node, "!schedule!mine", Document("mine", "q")));
    }

    [Fact]
    public async Task WhoMayNotSend_EndsARun_AndCannotHaveOneSent()
    {
        await using var node = await StartAsync(Rule([Permission.Send], schedules: "mine"), Rule([Permission.Send], queues: "q"));
        var state = node.Store.Require<IStateStore>();
        await node.Store.Schedules.PutAsync(AccessWorld.ScheduleOf("mine", "secret"), cancellationToken: Token);
        var now = DateTimeOffset.UnixEpoch + TimeSpan.FromDays(30_000);
        var cursor = new CursorDocument { Version = 1, Cursor = now, Open = [new("mine@1@5", now, "secret", null)] };
        var version = (await state.PutAsync("!cursor!mine", ScheduleDocuments.Write(cursor), null, Token)).Version;

        Assert.Equal(HttpStatusCode.Forbidden, await PutCursorAsync(cursor with { Cursor = now - TimeSpan.FromDays(1) }, version));
        Assert.Equal(HttpStatusCode.Forbidden, await PutCursorAsync(cursor with { Open = [] }, null));
        Assert.Equal(HttpStatusCode.Forbidden, await PutCursorAsync(cursor with { Open = [new("mine@1@6", now, "secret", now)] }, version));
        Assert.Equal(HttpStatusCode.BadRequest, await PutCursorAsync(cursor with { Open = [new("theirs@1@6", now, "q", null)] }, version));
        using var deleted = await node.As(Ann).DeleteAsync(new Uri("state/!cursor!mine", UriKind.Relative), Token);
        Assert.Equal(HttpStatusCode.Forbidden, deleted.StatusCode);
        Assert.Equal(HttpStatusCode.OK, await PutCursorAsync(cursor with { Open = [], Succeeded = 1 }, version));

        Task<HttpStatusCode> PutCursorAsync(CursorDocument document, long? expected) => PutAsync(node, "!cursor!mine", Encoding.UTF8.GetString(ScheduleDocuments.Write(document)), expected);
    }

    private static async Task AppendRunsAsync(AccessNode node)
    {
        foreach (var (run, schedule, queue) in new[] { ("1", "mine", "secret"), ("2", "theirs", "q"), ("3", null, "q"), ("4", null, "secret"), ("5", "mine", "q") })
        {
            await node.Store.Runs.AppendAsync(RunOf(run, schedule, queue));
        }
    }

    private static RunRecord RunOf(string run, string? schedule, string queue) => new()
    {
        Run = run,
        Job = "j",
        Schedule = schedule,
        Queue = queue,
        Outcome = RunOutcome.Succeeded,
        ScheduledAt = DateTimeOffset.UnixEpoch,
        StartedAt = DateTimeOffset.UnixEpoch,
        FinishedAt = DateTimeOffset.UnixEpoch.AddSeconds(1.5),
        Duration = TimeSpan.FromSeconds(1.5),
        Node = "n",
        Attempt = 1,
        Error = "e",
        Result = """{"n":1}""",
    };

    private static string Document(string schedule, string queue) => Encoding.UTF8.GetString(ScheduleDocuments.Write(new ScheduleDocument
    {
        Definition = AccessWorld.ScheduleOf(schedule, queue),
        Version = 1,
        FirstVersion = 1,
        Since = DateTimeOffset.UnixEpoch,
        CreatedAt = DateTimeOffset.UnixEpoch,
        Source = "api",
    }));

    private static async Task<HttpStatusCode> PutAsync(AccessNode node, string key, string document, long? expected = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, new Uri("state/" + Uri.EscapeDataString(key), UriKind.Relative)) { Content = new StringContent(document) };
        if (expected is { } version)
        {
            request.Headers.TryAddWithoutValidation("If-Match", $"\"{version}\"");
        }

        using var answer = await node.As(Ann).SendAsync(request, Token);
        return answer.StatusCode;
    }

    private static Task<AccessNode> StartAsync(params RoleRule[] rules) => AccessNode.StartAsync([AccessNode.User(Ann, "role")], [new RoleEntry("role", rules)]);

    private static RoleRule Rule(Permission[] allow, string? queues = null, string? schedules = null, string? state = null) => new()
    {
        Allow = allow,
        Queues = Patterns(queues),
        Schedules = Patterns(schedules),
        State = Patterns(state),
    };

    private static TopicPattern[] Patterns(string? pattern) => pattern is null ? [] : [TopicPattern.Parse(pattern)];

    /// <summary>Says that it ran.</summary>
    [Job("noticed")]
    private sealed record NoticedJob : IJob
    {
        public static TaskCompletionSource<string> Ran { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task RunAsync(JobContext context, CancellationToken cancellationToken)
        {
            Ran.TrySetResult(context.Id.ToString());
            return Task.CompletedTask;
        }
    }
}
