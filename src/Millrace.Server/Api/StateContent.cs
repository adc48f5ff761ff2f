using Millrace.Scheduling.Schedules;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Server.Api;

/// <summary>What may stand in the documents in which streams and schedules are kept, when a client writes them itself: nothing that lets it do by them what it may not do otherwise.</summary>
internal static class StateContent
{
    /// <summary>Refuses what may not be written.</summary>
    /// <param name="call">The request.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The document.</param>
    /// <param name="expectedVersion">The version that it replaces; null for any.</param>
    /// <exception cref="InvalidMessageException">It is no such document.</exception>
    /// <exception cref="MillraceConfigurationException">It says what is not allowed.</exception>
    /// <exception cref="AccessDeniedException">It would send to a queue that the caller may not send to.</exception>
    public static async ValueTask RequireAsync(ApiCall call, string key, ReadOnlyMemory<byte> value, long? expectedVersion)
    {
        if (key.StartsWith(StreamKeys.StreamPrefix, StringComparison.Ordinal))
        {
            await RequireOwnPathAsync(call, key, value).ConfigureAwait(false);
        }
        else if (key.StartsWith(ScheduleKeys.DefinitionPrefix, StringComparison.Ordinal))
        {
            RequireDefinition(call, key, value);
        }
        else if (key.StartsWith(ScheduleKeys.CursorPrefix, StringComparison.Ordinal))
        {
            await RequireCursorAsync(call, key, value, expectedVersion).ConfigureAwait(false);
        }
        else if (key == ScheduleKeys.Changes)
        {
            _ = Read(key, value, ScheduleDocuments.ReadChanges, "says which schedules were changed");
        }
    }

    /// <summary>Refuses the deletion of how far a schedule was fired, after which it would be fired from its beginning, by somebody who may not send to its queue.</summary>
    /// <exception cref="AccessDeniedException">The caller may not.</exception>
    public static async ValueTask RequireDeletableAsync(ApiCall call, string key)
    {
        if (!key.StartsWith(ScheduleKeys.CursorPrefix, StringComparison.Ordinal))
        {
            return;
        }

        var schedule = key[ScheduleKeys.CursorPrefix.Length..];
        call.Require(Permission.Manage, ResourceKind.Schedule, schedule);
        if (await call.Instance.State.GetAsync(ScheduleKeys.OfDefinition(schedule), call.Aborted).ConfigureAwait(false) is { } definition)
        {
            call.Require(Permission.Send, ResourceKind.Queue, ScheduleDocuments.ReadSchedule(definition).Definition.Queue);
        }
    }

    // Refuses the document of a stream that would have the server keep files where a client says.
    private static async ValueTask RequireOwnPathAsync(ApiCall call, string key, ReadOnlyMemory<byte> value)
    {
        var document = Read(key, value, StreamDocuments.ReadStream, "describes a stream");
        if (document.Path is not null)
        {
            var found = await call.Instance.State.GetAsync(key, call.Aborted).ConfigureAwait(false);
            if (found is null || StreamDocuments.ReadStream(found).Path != document.Path)
            {
                throw new MillraceConfigurationException("Where a server keeps its files is the server's: leave the stream's path out.");
            }
        }
    }

    // Nodes send what it says to the queue that it names.
    private static void RequireDefinition(ApiCall call, string key, ReadOnlyMemory<byte> value)
    {
        var definition = Read(key, value, ScheduleDocuments.ReadSchedule, "describes a schedule").Definition;
        var schedule = key[ScheduleKeys.DefinitionPrefix.Length..];
        ScheduleRules.Require(definition);
        if (definition.Name != schedule)
        {
            throw new InvalidMessageException($"The document describes another schedule than '{ApiCall.Shown(schedule)}'.");
        }

        call.Require(Permission.Send, ResourceKind.Queue, definition.Queue);
    }

    // Nodes send again what stands there as not sent, cancel what stands there as open, and fire what was due after it.
    private static async ValueTask RequireCursorAsync(ApiCall call, string key, ReadOnlyMemory<byte> value, long? expectedVersion)
    {
        var schedule = key[ScheduleKeys.CursorPrefix.Length..];
        var cursor = ReadCursor(key, value);
        foreach (var open in cursor.Open)
        {
            if (!open.Id.StartsWith(schedule + "@", StringComparison.Ordinal))
            {
                throw new InvalidMessageException("The document names runs of another schedule.");
            }

            if (open.PendingSince is not null)
            {
                call.Require(Permission.Send, ResourceKind.Queue, open.Queue);
            }
        }

        // A worker that ends a run moves nothing on or back; whoever does, fires the schedule.
        if (await call.Instance.State.GetAsync(ScheduleKeys.OfDefinition(schedule), call.Aborted).ConfigureAwait(false) is not { } definition
            || ScheduleDocuments.ReadSchedule(definition).Definition.Queue is var queue && call.Caller.May(Permission.Send, ResourceKind.Queue, queue))
        {
            return;
        }

        var found = await call.Instance.State.GetAsync(key, call.Aborted).ConfigureAwait(false);
        var before = found is null ? CursorDocument.Empty : ScheduleDocuments.ReadCursor(found);
        if ((found?.Version ?? IStateStore.Absent) != expectedVersion || (before.Version, before.Cursor) != (cursor.Version, cursor.Cursor))
        {
            throw call.Denied(Permission.Send, ResourceKind.Queue, queue);
        }
    }

    private static CursorDocument ReadCursor(string key, ReadOnlyMemory<byte> value) => Read(key, value, ScheduleDocuments.ReadCursor, "says how far a schedule was fired");

    private static T Read<T>(string key, ReadOnlyMemory<byte> value, Func<StateDocument, T> read, string what)
    {
        try
        {
            return read(new StateDocument(key, value, IStateStore.Absent));
        }
        catch (StorageCorruptException exception)
        {
            throw new InvalidMessageException($"What a key such as '{ApiCall.Shown(key)}' holds {what}, and this does not.", exception);
        }
    }
}
