using System.Security.Cryptography;
using Millrace.Stomp.Codec;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>
/// The temporary queues of one connection. Others send to them under a name that cannot be guessed, which a <c>reply-to</c> header carries. They are deleted when the
/// connection ends; what a crash leaves behind deletes itself. Touched by its session only.
/// </summary>
internal sealed class TemporaryQueues(SessionContext session)
{
    /// <summary>The start of their names in the store.</summary>
    public const string NamePrefix = "temp/";

    private static readonly QueueSettings Settings = new() { DeleteAfterIdle = TimeSpan.FromMinutes(1), MaxLength = 100_000 };

    private readonly Dictionary<string, string> _queues = new(StringComparer.Ordinal);
    private readonly List<string> _implied = [];
    private string? _token;

    /// <summary>The queue of a name on this connection, created if need be.</summary>
    public async ValueTask<string> OpenAsync(string name, CancellationToken cancellationToken)
    {
        var queue = QueueOf(name);
        await session.Resources.Admin!.CreateQueueAsync(queue, Settings, cancellationToken).ConfigureAwait(false);
        return queue;
    }

    /// <summary>The <c>reply-to</c> that others can use. A temporary queue that nobody has subscribed to yet is noted for <see cref="TakeImplied"/>.</summary>
    public string Rewrite(string replyTo)
    {
        if (!replyTo.StartsWith(Destination.TemporaryPrefix, StringComparison.Ordinal) || replyTo.Length == Destination.TemporaryPrefix.Length)
        {
            return replyTo;
        }

        session.Resources.RequireAdministration(replyTo);
        var name = replyTo[Destination.TemporaryPrefix.Length..];
        if (!_queues.ContainsKey(name))
        {
            _implied.Add(name);
        }

        return Destination.ReplyPrefix + QueueOf(name)[NamePrefix.Length..];
    }

    /// <summary>Whether there are names for <see cref="TakeImplied"/>.</summary>
    public bool HasImplied => _implied.Count > 0;

    /// <summary>The names that were first met in a <c>reply-to</c>: the connection gets subscriptions to them.</summary>
    public string[] TakeImplied()
    {
        string[] implied = [.. _implied];
        _implied.Clear();
        return implied;
    }

    /// <summary>Deletes them.</summary>
    public async ValueTask DeleteAllAsync()
    {
        foreach (var queue in _queues.Values)
        {
            try
            {
                await session.Resources.Admin!.DeleteQueueAsync(queue, CancellationToken.None).ConfigureAwait(false);
            }
            catch (MillraceException exception)
            {
                // It deletes itself when it has been idle.
                session.Resources.Logger.TemporaryQueueLeft(exception, queue);
            }
        }

        _queues.Clear();
    }

    private string QueueOf(string name)
    {
        if (!_queues.TryGetValue(name, out var queue))
        {
            if (_queues.Count >= session.Resources.Options.MaxSubscriptions)
            {
                throw new StompFaultException("too many temporary queues", $"The connection has {_queues.Count:N0} temporary queues, which is the limit: use one for many replies.");
            }

            _token ??= RandomNumberGenerator.GetHexString(32, lowercase: true);
            queue = $"{NamePrefix}{_token}/{name}";
            ResourceName.Require(queue, "temporary queue");
            _queues[name] = queue;
        }

        return queue;
    }
}
