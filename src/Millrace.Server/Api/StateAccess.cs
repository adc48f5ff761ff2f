using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Server.Api;

/// <summary>
/// Who may read and write which documents. Those in which streams and their groups are kept are guarded by the permissions of the stream, not by those of state: a client of the
/// <c>http:</c> backend reads and writes them itself, and whoever may write any state must not change a stream by it.
/// </summary>
internal static class StateAccess
{
    private const string GroupPrefix = "!group!";
    private const int HashCharacters = 43;

    /// <exception cref="AccessDeniedException">The caller may not.</exception>
    public static void Require(ApiCall call, Permission permission, string key)
    {
        if (key.StartsWith(StreamKeys.StreamPrefix, StringComparison.Ordinal))
        {
            var stream = key[StreamKeys.StreamPrefix.Length..];
            if (permission == Permission.Send || !StreamEndpoints.IsVisible(call.Caller, stream))
            {
                call.Require(Permission.Manage, ResourceKind.Stream, stream);
            }
        }
        else if (key.StartsWith(GroupPrefix, StringComparison.Ordinal))
        {
            RequireGroup(call, key);
        }
        else
        {
            call.Require(permission, ResourceKind.State, key);
        }
    }

    /// <summary>For whatever begins with a prefix.</summary>
    /// <exception cref="AccessDeniedException">The caller may not see all of it.</exception>
    public static void RequireAll(ApiCall call, string prefix)
    {
        if (prefix.StartsWith(StreamKeys.StreamPrefix, StringComparison.Ordinal))
        {
            var begin = prefix[StreamKeys.StreamPrefix.Length..];
            if (!Enum.GetValues<Permission>().Any(permission => call.Caller.MayAll(permission, ResourceKind.Stream, Literal(begin) + "*")))
            {
                throw call.Denied(Permission.Receive, ResourceKind.Stream, begin + "*");
            }
        }
        else if (prefix.StartsWith(GroupPrefix, StringComparison.Ordinal))
        {
            RequireGroup(call, prefix);
        }
        else if (!call.Caller.MayAll(Permission.Receive, ResourceKind.State, Literal(prefix) + "*"))
        {
            throw call.Denied(Permission.Receive, ResourceKind.State, prefix + "*");
        }
    }

    /// <summary>Refuses the document of a stream that would have the server keep files where a client says.</summary>
    /// <exception cref="InvalidMessageException">It is no such document.</exception>
    /// <exception cref="MillraceConfigurationException">It names a path that was not there.</exception>
    public static async ValueTask RequireOwnPathAsync(ApiCall call, string key, ReadOnlyMemory<byte> value)
    {
        if (!key.StartsWith(StreamKeys.StreamPrefix, StringComparison.Ordinal))
        {
            return;
        }

        StreamDocument document;
        try
        {
            document = StreamDocuments.ReadStream(new StateDocument(key, value, IStateStore.Absent));
        }
        catch (StorageCorruptException exception)
        {
            throw new InvalidMessageException("What a key with '!stream!' before it holds describes a stream, and this does not.", exception);
        }

        if (document.Path is not null)
        {
            var found = await call.Instance.State.GetAsync(key, call.Aborted).ConfigureAwait(false);
            if (found is null || StreamDocuments.ReadStream(found).Path != document.Path)
            {
                throw new MillraceConfigurationException("Where a server keeps its files is the server's: leave the stream's path out.");
            }
        }
    }

    // Members of a group write there; and whoever looks after a stream deletes its groups. A long name stands there as a hash, which could be any stream's.
    private static void RequireGroup(ApiCall call, string key)
    {
        var rest = key[GroupPrefix.Length..];
        var end = rest.IndexOf('!', StringComparison.Ordinal);
        if (end > 0)
        {
            var stream = rest[..end];
            if (!call.Caller.May(Permission.Manage, ResourceKind.Stream, stream))
            {
                call.Require(Permission.Receive, ResourceKind.Stream, stream);
            }
        }
        else if (!call.Caller.MayAll(Permission.Receive, ResourceKind.Stream, "*") && !call.Caller.MayAll(Permission.Manage, ResourceKind.Stream, "*"))
        {
            throw call.Denied(Permission.Receive, ResourceKind.Stream, end == 0 && rest.Length > HashCharacters ? rest[..(HashCharacters + 1)] : "*");
        }
    }

    // The pattern of a text that stands for itself.
    private static string Literal(string text) => string.Concat(text.Select(c => c is '*' or '?' or '[' ? $"[{c}]" : c.ToString()));
}
