using System.Globalization;
using Microsoft.AspNetCore.Http;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;
using Millrace.Server.Security;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Schedules: which there are, what they are and when they are due; they are defined, paused, run and removed.</summary>
internal static class ScheduleEndpoints
{
    private const int MaxPage = 1000;

    private static readonly TextParameter Prefix = new("prefix", "Only names that begin with this.");
    private static readonly TextParameter Tag = new("tag", "Only those that have this tag.");
    private static readonly ChoiceParameter<ScheduleStatus?> Status = new(
        "status", "Only those of this status.", [("any", null), .. ScheduleWire.Statuses.Select(status => (status.Word, (ScheduleStatus?)status.Status))]);

    private static readonly TextParameter After = new("after", "Only names after this one: 'next' of the page before.");
    private static readonly NumberParameter Limit = new("limit", "The most schedules of a page.", 100, 1, MaxPage);
    private static readonly NumberParameter Count = new("count", "How many occurrences at most.", 10, 1, MaxPage);
    private static readonly TextParameter From = new("from", "Only occurrences after this time, such as 2026-01-31T08:30:00Z; now unless set.");

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "schedules", "Schedules, in the order of their names, a page at a time.", ListAsync)
        {
            Query = [Prefix, Tag, Status, After, Limit],
            Answer = "ScheduleList",
        },
        new(HttpMethods.Put, "schedules/{schedule}", "Defines a schedule, or changes it; a pause stays.", PutAsync)
        {
            AuditedAs = "schedule.define",
            Body = ApiBody.Json("ScheduleDefinition"),
            Answer = "ScheduleChanged",
            Success = [201, 200],
            Problems = [ProblemMap.InvalidSchedule],
        },
        new(HttpMethods.Get, "schedules/{schedule}", "What a schedule is, when it is due next, and what came of it.", GetAsync)
        {
            Answer = "Schedule",
            Problems = [ProblemMap.ScheduleNotFound],
        },
        new(HttpMethods.Delete, "schedules/{schedule}", "Removes a schedule. Its runs that wait are not run any more; those that run go on.", DeleteAsync)
        {
            AuditedAs = "schedule.delete",
            Problems = [ProblemMap.ScheduleNotFound],
        },
        new(HttpMethods.Post, "schedules/{schedule}/pause", "Stops firing a schedule until it is resumed.", PauseAsync)
        {
            AuditedAs = "schedule.pause",
            Problems = [ProblemMap.ScheduleNotFound],
        },
        new(HttpMethods.Post, "schedules/{schedule}/resume", "Fires a schedule again. Its misfire policy says what becomes of what was due meanwhile.", ResumeAsync)
        {
            AuditedAs = "schedule.resume",
            Problems = [ProblemMap.ScheduleNotFound],
        },
        new(HttpMethods.Post, "schedules/{schedule}/run", "Fires one more occurrence now, whatever trigger, pause and policies say.", RunAsync)
        {
            AuditedAs = "schedule.run",
            Answer = "ScheduleRun",
            Problems = [ProblemMap.ScheduleNotFound, ProblemMap.QueueFull, ProblemMap.QueueNotFound],
        },
        new(HttpMethods.Get, "schedules/{schedule}/next", "When a schedule is due next, by its trigger, start and end.", NextAsync)
        {
            Query = [Count, From],
            Answer = "Occurrences",
            Problems = [ProblemMap.ScheduleNotFound],
        },
    ];

    private static async Task ListAsync(ApiCall call)
    {
        var query = new ScheduleQuery { Prefix = Prefix.Read(call) ?? "", Tag = Tag.Read(call), Status = Status.Read(call) };
        var limit = (int)Limit.Read(call);
        var schedules = await ListVisibleAsync(call, query, After.Read(call), limit).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(ScheduleWire.Schedules);
            foreach (var schedule in schedules)
            {
                ScheduleWire.WriteInfo(json, schedule);
            }

            json.WriteEndArray();
            json.WriteString(WireNames.Next, schedules.Count == limit ? schedules[^1].Definition.Name : null);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    // Reads on where names are hidden, as with queues.
    private static async ValueTask<List<ScheduleInfo>> ListVisibleAsync(ApiCall call, ScheduleQuery query, string? after, int limit)
    {
        var visible = new List<ScheduleInfo>();
        for (var size = limit; ; size = MaxPage)
        {
            var page = await call.Instance.Client.Schedules.ListAsync(query, after, size, call.Aborted).ConfigureAwait(false);
            visible.AddRange(page.Where(schedule => IsVisible(call.Caller, schedule.Definition.Name)).Take(limit - visible.Count));
            if (page.Count < size || visible.Count == limit)
            {
                return visible;
            }

            after = page[^1].Definition.Name;
        }
    }

    private static async Task PutAsync(ApiCall call)
    {
        var name = ScheduleOf(call, Permission.Manage);
        try
        {
            var definition = await call.ReadJsonAsync((ref WireReader json) => ScheduleJson.Read(ref json, name)).ConfigureAwait(false);
            ScheduleRules.Require(definition);

            // Or whoever may define schedules could send to any queue by one.
            call.Require(Permission.Send, ResourceKind.Queue, definition.Queue);
            var change = await call.Instance.Client.Schedules.PutAsync(definition, ScheduleClient.DefaultSource, call.Aborted).ConfigureAwait(false);
            await call.WriteAsync(change == ScheduleChange.Created ? 201 : 200, json =>
            {
                json.WriteStartObject();
                json.WriteString(ScheduleWire.Change, ScheduleWire.WordOf(change));
                json.WriteEndObject();
            }).ConfigureAwait(false);
        }
        catch (MillraceConfigurationException exception) when (exception is not BackendCapabilityException)
        {
            await call.ProblemAsync(new(ProblemMap.InvalidSchedule, 400, "The schedule is not valid", exception.Message)).ConfigureAwait(false);
        }
    }

    private static async Task GetAsync(ApiCall call)
    {
        var name = VisibleScheduleOf(call);
        if (await call.Instance.Client.Schedules.GetAsync(name, call.Aborted).ConfigureAwait(false) is { } info)
        {
            await call.WriteAsync(200, json => ScheduleWire.WriteInfo(json, info)).ConfigureAwait(false);
            return;
        }

        await NotFoundAsync(call, name).ConfigureAwait(false);
    }

    private static Task DeleteAsync(ApiCall call) => ChangeAsync(call, (schedules, name) => schedules.RemoveAsync(name, call.Aborted));

    private static Task PauseAsync(ApiCall call) => ChangeAsync(call, (schedules, name) => schedules.PauseAsync(name, call.Aborted));

    private static Task ResumeAsync(ApiCall call) => ChangeAsync(call, (schedules, name) => schedules.ResumeAsync(name, call.Aborted));

    private static async Task ChangeAsync(ApiCall call, Func<ScheduleClient, string, ValueTask<bool>> change)
    {
        var name = ScheduleOf(call, Permission.Manage);
        await (await change(call.Instance.Client.Schedules, name).ConfigureAwait(false) ? call.NoContentAsync() : NotFoundAsync(call, name)).ConfigureAwait(false);
    }

    private static async Task RunAsync(ApiCall call)
    {
        var name = ScheduleOf(call, Permission.Send);
        if (await call.Instance.Client.Schedules.GetAsync(name, call.Aborted).ConfigureAwait(false) is not { } info)
        {
            await NotFoundAsync(call, name).ConfigureAwait(false);
            return;
        }

        call.Require(Permission.Send, ResourceKind.Queue, info.Definition.Queue);
        if (await call.Instance.Client.Schedules.RunNowAsync(name, call.Aborted).ConfigureAwait(false) is not { } run)
        {
            await NotFoundAsync(call, name).ConfigureAwait(false);
            return;
        }

        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString(ScheduleWire.Run, run);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task NextAsync(ApiCall call)
    {
        var name = VisibleScheduleOf(call);
        var count = (int)Count.Read(call);
        var from = TimeOf(call, From) ?? call.Instance.TimeProvider.GetUtcNow();
        if (await call.Instance.Client.Schedules.GetAsync(name, call.Aborted).ConfigureAwait(false) is not { } info)
        {
            await NotFoundAsync(call, name).ConfigureAwait(false);
            return;
        }

        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(ScheduleWire.Occurrences);
            foreach (var occurrence in ScheduleClient.Preview(info.Definition, from, count))
            {
                json.WriteStringValue(occurrence);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    /// <summary>A parameter that is a time; null when it is absent.</summary>
    public static DateTimeOffset? TimeOf(ApiCall call, TextParameter parameter) => parameter.Read(call) is not { } text ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) ? time
        : throw new WireFormatException($"The parameter '{parameter.Name}' must be a time such as 2026-01-31T08:30:00Z.");

    /// <summary>Answers that there is no such schedule.</summary>
    public static Task NotFoundAsync(ApiCall call, string schedule) =>
        call.ProblemAsync(new(ProblemMap.ScheduleNotFound, 404, "There is no such schedule", $"There is no schedule '{schedule}'.") { Subject = schedule });

    /// <summary>A schedule in the path that the caller may know of.</summary>
    public static string VisibleScheduleOf(ApiCall call)
    {
        var schedule = NameOf(call);
        return IsVisible(call.Caller, schedule) ? schedule : throw call.Denied(Permission.Receive, ResourceKind.Schedule, schedule);
    }

    /// <summary>Whether the caller may do anything with a schedule, and so may know of it.</summary>
    public static bool IsVisible(Caller caller, string schedule) =>
        caller.May(Permission.Receive, ResourceKind.Schedule, schedule)
        || caller.May(Permission.Send, ResourceKind.Schedule, schedule)
        || caller.May(Permission.Manage, ResourceKind.Schedule, schedule);

    private static string ScheduleOf(ApiCall call, Permission permission)
    {
        var schedule = NameOf(call);
        call.Require(permission, ResourceKind.Schedule, schedule);
        return schedule;
    }

    private static string NameOf(ApiCall call)
    {
        var schedule = call.Name("schedule");
        ScheduleKeys.RequireName(schedule);
        return schedule;
    }
}
