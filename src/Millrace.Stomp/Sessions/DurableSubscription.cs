using Millrace.Stomp.Codec;
using Millrace.Stomp.Security;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>
/// A durable topic subscription: a queue that is bound to the pattern and stays while nobody consumes from it. One by <c>durable:true</c> belongs to a client id and an id of
/// its user; one by <c>x-durable-group</c> to all who name the group.
/// </summary>
/// <param name="Queue">The queue in the store.</param>
/// <param name="IsGroup">Whether it is a group's.</param>
internal sealed record DurableSubscription(string Queue, bool IsGroup)
{
    private const string OwnPrefix = "durable/";
    private const string GroupPrefix = "group/";

    /// <summary>Whether a frame says <c>durable:true</c>.</summary>
    public static bool IsRequested(StompFrame frame) => frame.GetRaw(KnownHeader.Durable).SequenceEqual("true"u8);

    /// <summary>What a SUBSCRIBE or UNSUBSCRIBE is about; null when that is a live subscription.</summary>
    /// <exception cref="StompFaultException">A name is missing.</exception>
    public static DurableSubscription? Read(StompFrame frame, SessionContext session, string? id)
    {
        if (frame.Get(KnownHeader.DurableGroup) is { Length: > 0 } group)
        {
            return Of(GroupPrefix + Part(group), isGroup: true);
        }

        if (!IsRequested(frame))
        {
            return null;
        }

        var client = frame.Get(KnownHeader.ClientId) ?? session.ClientId;
        return client is { Length: > 0 } && id is not null
            ? Of($"{OwnPrefix}{Part(session.Caller!.Name)}/{Part(client)}/{Part(id)}", isGroup: false)
            : throw new StompFaultException(
                "malformed frame", "A durable subscription needs a client-id, in the CONNECT or the SUBSCRIBE frame, and an id: by both it is found again. Or name an x-durable-group.");
    }

    /// <summary>The permission for the queue of a group, which others may share. A subscription of one's own needs none beside that for the topic.</summary>
    public StompPermit? RequirePermit(SessionContext session, string destination) =>
        IsGroup ? session.Require(StompAccess.Receive, StompResource.Queue, Queue, destination) : null;

    /// <summary>Binds the queue to the pattern; one of one's own then has no other.</summary>
    public async ValueTask BindAsync(SessionContext session, TopicPattern pattern, CancellationToken cancellationToken)
    {
        var routing = session.Resources.RequireRouting(Queue);
        await routing.BindAsync(Queue, pattern, cancellationToken).ConfigureAwait(false);
        if (IsGroup)
        {
            return;
        }

        foreach (var binding in await routing.ListBindingsAsync(Queue, cancellationToken).ConfigureAwait(false))
        {
            if (!binding.Pattern.Equals(pattern))
            {
                await routing.UnbindAsync(Queue, binding.Pattern, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Deletes the queue with what waits in it. Returns whether there was one.</summary>
    public async ValueTask<bool> DeleteAsync(SessionContext session, CancellationToken cancellationToken)
    {
        using var permit = IsGroup ? session.Require(StompAccess.Manage, StompResource.Queue, Queue, Queue) : null;
        return await session.Resources.RequireAdministration(Queue).DeleteQueueAsync(Queue, cancellationToken).ConfigureAwait(false);
    }

    private static DurableSubscription Of(string queue, bool isGroup)
    {
        ResourceName.Require(queue, "durable subscription");
        return new DurableSubscription(queue, isGroup);
    }

    // The parts are joined by slashes, so that no two sets of parts give one name.
    private static string Part(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("/", "%2F", StringComparison.Ordinal).Replace("!", "%21", StringComparison.Ordinal);
}
