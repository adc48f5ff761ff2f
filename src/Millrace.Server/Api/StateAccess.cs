using Millrace.Scheduling.Schedules;
using Millrace.Server.Security;
using Millrace.Streams;

namespace Millrace.Server.Api;

/// <summary>
/// Who may read and write which documents. Those in which streams, their groups and schedules are kept are guarded by the permissions of the stream or schedule, not by those of state: a client of
/// the <c>http:</c> backend reads and writes them itself, and whoever may write any state must not change a stream or a schedule by it.
/// </summary>
internal static class StateAccess
{
    private const int HashCharacters = 43;

    /// <exception cref="AccessDeniedException">The caller may not.</exception>
    public static void Require(ApiCall call, Permission permission, string key)
    {
        if (FindRefusal(call.Caller, permission, key) is { } refusal)
        {
            throw call.Denied(refusal.Permission, refusal.Kind, refusal.Name);
        }
    }

    /// <summary>Whether the caller may see a document.</summary>
    public static bool IsVisible(Caller caller, string key) => FindRefusal(caller, Permission.Receive, key) is null;

    /// <summary>For whatever begins with a prefix. Where it names no kind of documents, single ones below it may still be hidden: see <see cref="IsVisible"/>.</summary>
    /// <exception cref="AccessDeniedException">The caller may not see all of it.</exception>
    public static void RequireAll(ApiCall call, string prefix)
    {
        if (TryCut(prefix, StreamKeys.StreamPrefix, out var stream))
        {
            RequireAny(call, ResourceKind.Stream, stream);
        }
        else if (TryCut(prefix, StreamKeys.GroupPrefix, out var group))
        {
            if (FindGroupRefusal(call.Caller, group) is { } refusal)
            {
                throw call.Denied(refusal.Permission, refusal.Kind, refusal.Name);
            }
        }
        else if (TryCut(prefix, ScheduleKeys.DefinitionPrefix, out var schedule) || TryCut(prefix, ScheduleKeys.CursorPrefix, out schedule))
        {
            RequireAny(call, ResourceKind.Schedule, schedule);
        }
        else if (prefix == ScheduleKeys.Changes)
        {
            Require(call, Permission.Receive, prefix);
        }
        else if (!call.Caller.MayAll(Permission.Receive, ResourceKind.State, Literal(prefix) + "*"))
        {
            throw call.Denied(Permission.Receive, ResourceKind.State, prefix + "*");
        }
    }

    private static Refusal? FindRefusal(Caller caller, Permission permission, string key)
    {
        if (TryCut(key, StreamKeys.StreamPrefix, out var stream))
        {
            var isAllowed = caller.May(Permission.Manage, ResourceKind.Stream, stream) || (permission == Permission.Receive && StreamEndpoints.IsVisible(caller, stream));
            return isAllowed ? null : new(Permission.Manage, ResourceKind.Stream, stream);
        }

        if (TryCut(key, StreamKeys.GroupPrefix, out var group))
        {
            return FindGroupRefusal(caller, group);
        }

        if (TryCut(key, ScheduleKeys.DefinitionPrefix, out var schedule))
        {
            var isAllowed = caller.May(Permission.Manage, ResourceKind.Schedule, schedule) || (permission == Permission.Receive && ScheduleEndpoints.IsVisible(caller, schedule));
            return isAllowed ? null : new(permission == Permission.Send ? Permission.Manage : permission, ResourceKind.Schedule, schedule);
        }

        if (TryCut(key, ScheduleKeys.CursorPrefix, out schedule))
        {
            // Whoever fires a schedule, or ends a run of it, writes there.
            var isAllowed = caller.May(permission, ResourceKind.Schedule, schedule)
                || caller.May(Permission.Send, ResourceKind.Schedule, schedule)
                || caller.May(Permission.Manage, ResourceKind.Schedule, schedule);
            return isAllowed ? null : new(permission, ResourceKind.Schedule, schedule);
        }

        if (key == ScheduleKeys.Changes)
        {
            // It has the names of schedules that were changed, and is written by whoever changes one.
            var isAllowed = caller.MayAny(Permission.Manage, ResourceKind.Schedule)
                || (permission == Permission.Receive && (caller.MayAny(Permission.Receive, ResourceKind.Schedule) || caller.MayAny(Permission.Send, ResourceKind.Schedule)));
            return isAllowed ? null : new(permission == Permission.Send ? Permission.Manage : permission, ResourceKind.Schedule, "*");
        }

        return caller.May(permission, ResourceKind.State, key) ? null : new(permission, ResourceKind.State, key);
    }

    // Members of a group write there; and whoever looks after a stream deletes its groups. A long name stands there as a hash, which could be any stream's.
    private static Refusal? FindGroupRefusal(Caller caller, string rest)
    {
        var end = rest.IndexOf('!', StringComparison.Ordinal);
        if (end > 0)
        {
            var stream = rest[..end];
            var isAllowed = caller.May(Permission.Manage, ResourceKind.Stream, stream) || caller.May(Permission.Receive, ResourceKind.Stream, stream);
            return isAllowed ? null : new(Permission.Receive, ResourceKind.Stream, stream);
        }

        return caller.MayAll(Permission.Receive, ResourceKind.Stream, "*") || caller.MayAll(Permission.Manage, ResourceKind.Stream, "*")
            ? null
            : new(Permission.Receive, ResourceKind.Stream, end == 0 && rest.Length > HashCharacters ? rest[..(HashCharacters + 1)] : "*");
    }

    private static void RequireAny(ApiCall call, ResourceKind kind, string begin)
    {
        if (!Enum.GetValues<Permission>().Any(permission => call.Caller.MayAll(permission, kind, Literal(begin) + "*")))
        {
            throw call.Denied(Permission.Receive, kind, begin + "*");
        }
    }

    private static bool TryCut(string key, string prefix, out string rest)
    {
        var isThere = key.StartsWith(prefix, StringComparison.Ordinal);
        rest = isThere ? key[prefix.Length..] : "";
        return isThere;
    }

    // The pattern of a text that stands for itself.
    private static string Literal(string text) => string.Concat(text.Select(c => c is '*' or '?' or '[' ? $"[{c}]" : c.ToString()));

    /// <summary>What the caller would need.</summary>
    private readonly record struct Refusal(Permission Permission, ResourceKind Kind, string Name);
}
