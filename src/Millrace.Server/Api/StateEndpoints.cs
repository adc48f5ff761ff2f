using System.Globalization;
using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>State: small documents. The body is the value; the entity tag is the version, and conditional requests compare and swap.</summary>
internal static class StateEndpoints
{
    private const int MaxPage = 1000;
    private const string OpaqueBytes = "application/octet-stream";

    private static readonly TextParameter Prefix = new("prefix", "Only keys that begin with this.");
    private static readonly TextParameter After = new("after", "Only keys after this one: 'next' of the page before.");
    private static readonly NumberParameter Limit = new("limit", "The most documents of a page.", 100, 1, MaxPage);
    private static readonly NumberParameter RevisionSeen = new("revision", "A revision that was read before; 0 for any change ever.", 0, 0, long.MaxValue);
    private static readonly NumberParameter WaitMs = new("waitMs", "How long to wait, in milliseconds.", 0, 0, long.MaxValue);
    private static readonly TextParameter IfMatch = new("If-Match", "The ETag that was read: only if the document still has that version.") { Pattern = "^\"[0-9]{1,19}\"$" };
    private static readonly TextParameter IfNoneMatch = new("If-None-Match", "Only if there is no such document.") { Pattern = @"^\*$" };

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "state", "Documents by the prefix of their keys, in order, a page at a time.", ListAsync) { Query = [Prefix, After, Limit], Answer = "StatePage" },
        new(HttpMethods.Get, "state/{key}", "Reads a document; its ETag is the version.", GetAsync)
        {
            AnswerType = OpaqueBytes,
            Problems = [ProblemMap.StateNotFound],
        },
        new(HttpMethods.Put, "state/{key}", "Writes a document: with If-Match if it still has that version, with If-None-Match: * if there is none.", PutAsync)
        {
            Headers = [IfMatch, IfNoneMatch],
            Body = ApiBody.Bytes,
            Answer = "StateWritten",
            Problems = [ProblemMap.VersionMismatch, ProblemMap.InvalidMessage, ProblemMap.InvalidSettings],
        },
        new(HttpMethods.Delete, "state/{key}", "Deletes a document, with If-Match if it still has that version.", DeleteAsync)
        {
            Headers = [IfMatch, IfNoneMatch],
            Answer = "StateWritten",
            Problems = [ProblemMap.VersionMismatch],
        },
        new(HttpMethods.Get, "changes", "Waits for a change under a prefix after a revision: 204 when the wait has passed.", WaitAsync)
        {
            Query = [Prefix, RevisionSeen, WaitMs],
            Answer = "Revision",
            Success = [200, 204],
        },
    ];

    private static async Task ListAsync(ApiCall call)
    {
        var prefix = Prefix.Read(call) ?? "";
        var limit = (int)Limit.Read(call);
        StateAccess.RequireAll(call, prefix);
        var page = await ListVisibleAsync(call, prefix, After.Read(call), limit).ConfigureAwait(false);
        await call.WriteAsync(200, json => StateWire.WritePage(json, page, page.Documents.Count == limit ? page.Documents[^1].Key : null)).ConfigureAwait(false);
    }

    // Reads on where documents are hidden: those of streams and schedules that the caller may not see, under a prefix that is not only theirs.
    private static async ValueTask<StatePage> ListVisibleAsync(ApiCall call, string prefix, string? after, int limit)
    {
        var visible = new List<StateDocument>();
        for (var size = limit; ; size = MaxPage)
        {
            var page = await call.Instance.State.ListAsync(prefix, after, size, call.Aborted).ConfigureAwait(false);
            visible.AddRange(page.Documents.Where(document => StateAccess.IsVisible(call.Caller, document.Key)).Take(limit - visible.Count));
            if (page.Documents.Count < size || visible.Count == limit)
            {
                return new StatePage(visible, page.Revision);
            }

            after = page.Documents[^1].Key;
        }
    }

    private static async Task GetAsync(ApiCall call)
    {
        var key = KeyOf(call, Permission.Receive);
        if (await call.Instance.State.GetAsync(key, call.Aborted).ConfigureAwait(false) is { } document)
        {
            SetTag(call, document.Version);
            await call.WriteAsync(200, OpaqueBytes, document.Value).ConfigureAwait(false);
        }
        else
        {
            await call.ProblemAsync(new(ProblemMap.StateNotFound, 404, "There is no such document", $"The state has no document '{key}'.")).ConfigureAwait(false);
        }
    }

    private static async Task PutAsync(ApiCall call)
    {
        var key = KeyOf(call, Permission.Send);
        var expected = ExpectedVersion(call);
        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        if (body.WrittenBytes > IStateStore.MaxValueBytes)
        {
            throw new BadHttpRequestException($"The value has {body.WrittenBytes:N0} bytes, the limit is {IStateStore.MaxValueBytes:N0}.", StatusCodes.Status413PayloadTooLarge);
        }

        await StateContent.RequireAsync(call, key, body[..], expected).ConfigureAwait(false);
        await AnswerAsync(call, key, await call.Instance.State.PutAsync(key, body[..], expected, call.Aborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static async Task DeleteAsync(ApiCall call)
    {
        var key = KeyOf(call, Permission.Send);
        await StateContent.RequireDeletableAsync(call, key).ConfigureAwait(false);
        await AnswerAsync(call, key, await call.Instance.State.DeleteAsync(key, ExpectedVersion(call), call.Aborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static async Task WaitAsync(ApiCall call)
    {
        var prefix = Prefix.Read(call) ?? "";
        var revision = RevisionSeen.Read(call);
        var wait = call.Wait(WaitMs.Read(call));
        StateAccess.RequireAll(call, prefix);
        var now = 0L;
        var changed = await LongPoll.RunAsync(
            call, wait, async token => now = await call.Instance.State.WaitForChangeAsync(prefix, revision, token).ConfigureAwait(false)).ConfigureAwait(false);
        if (!changed)
        {
            call.RequireServing();
            await call.NoContentAsync().ConfigureAwait(false);
            return;
        }

        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteNumber(WireNames.Revision, now);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task AnswerAsync(ApiCall call, string key, StateWriteResult result)
    {
        SetTag(call, result.Version);
        if (!result.Written)
        {
            await call.ProblemAsync(new(
                ProblemMap.VersionMismatch,
                412,
                "The version is another",
                result.Version == IStateStore.Absent ? $"There is no document '{key}' any more." : $"The document '{key}' has the version {result.Version}.")).ConfigureAwait(false);
            return;
        }

        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteNumber(WireNames.Version, result.Version);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static void SetTag(ApiCall call, long version)
    {
        if (version != IStateStore.Absent)
        {
            call.Context.Response.Headers.ETag = $"\"{WireValues.Text(version)}\"";
        }
    }

    private static string KeyOf(ApiCall call, Permission permission)
    {
        var key = call.Name("key");
        ResourceName.RequireStateKey(key);
        StateAccess.Require(call, permission, key);
        return key;
    }

    private static long? ExpectedVersion(ApiCall call)
    {
        var match = call.Context.Request.Headers.IfMatch.ToString();
        var noneMatch = call.Context.Request.Headers.IfNoneMatch.ToString();
        return (match, noneMatch) switch
        {
            ("", "") or ("*", "") => match == "*" ? throw new WireFormatException("'If-Match: *' is not known here: leave it out to write whatever is there.") : null,
            ("", "*") => IStateStore.Absent,
            ({ Length: > 2 }, "") when match[0] == '"' && match[^1] == '"'
                && long.TryParse(match.AsSpan(1, match.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var version) => version,
            _ => throw new WireFormatException("Send 'If-Match: \"VERSION\"' with the ETag that was read, or 'If-None-Match: *' for a document that must not exist, or neither."),
        };
    }
}
