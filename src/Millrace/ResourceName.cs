using System.Text;

namespace Millrace;

/// <summary>The rule for names of queues, streams and locks: 1 to 200 bytes of UTF-8, no control characters, <c>!</c> reserved.</summary>
public static class ResourceName
{
    /// <summary>The longest name, in bytes of UTF-8.</summary>
    public const int MaxBytes = 200;

    private const string DeadLetterSuffix = "!dead";

    /// <summary>Checks the name of something that its user creates.</summary>
    /// <param name="name">The name.</param>
    /// <param name="kind">What it names, for the error: "queue", "stream", "lock".</param>
    /// <exception cref="InvalidNameException">The name breaks the rule; the message says how.</exception>
    public static void Require(string name, string kind)
    {
        RequireText(name, kind);
        if (name.Contains('!', StringComparison.Ordinal))
        {
            throw new InvalidNameException(kind, name, "'!' is reserved for names that Millrace derives, such as 'orders!dead'");
        }
    }

    /// <summary>Checks the name of a queue that is read, settled or administered: a user's queue, or the dead-letter queue of one.</summary>
    /// <exception cref="InvalidNameException">The name breaks the rule; the message says how.</exception>
    public static void RequireQueue(string queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        Require(IsDeadLetterQueue(queue) ? SourceOf(queue) : queue, "queue");
    }

    /// <summary>The queue in which dead letters of <paramref name="queue"/> stand: <c>orders!dead</c> for <c>orders</c>, and itself for a dead-letter queue.</summary>
    public static string DeadLetterQueueOf(string queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return IsDeadLetterQueue(queue) ? queue : queue + DeadLetterSuffix;
    }

    /// <summary>Whether <paramref name="queue"/> names a dead-letter queue.</summary>
    public static bool IsDeadLetterQueue(string queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return queue.EndsWith(DeadLetterSuffix, StringComparison.Ordinal);
    }

    /// <summary>The queue whose dead letters stand in <paramref name="queue"/>; a queue that is no dead-letter queue is returned as it is.</summary>
    public static string SourceOf(string queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return IsDeadLetterQueue(queue) ? queue[..^DeadLetterSuffix.Length] : queue;
    }

    /// <summary>Checks the key of a state document; <c>!</c> may stand in it.</summary>
    /// <exception cref="InvalidNameException">The key is empty, longer than <see cref="Storage.IStateStore.MaxKeyBytes"/> or has control characters.</exception>
    public static void RequireStateKey(string key) => RequireText(key, "state key", Storage.IStateStore.MaxKeyBytes);

    /// <summary>Checks the owner of a lock; <c>!</c> may stand in it.</summary>
    /// <exception cref="InvalidNameException">The owner is empty, too long or has control characters.</exception>
    public static void RequireLockOwner(string owner) => RequireText(owner, "lock owner");

    /// <summary>Checks length and characters, and lets <c>!</c> pass.</summary>
    internal static void RequireText(string name, string kind, int maxBytes = MaxBytes)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length == 0)
        {
            throw new InvalidNameException(kind, name, "it is empty");
        }

        // A name this long is over the limit in any script, and need not be encoded to know it.
        var bytes = name.Length > maxBytes ? name.Length : Encoding.UTF8.GetByteCount(name);
        if (bytes > maxBytes)
        {
            throw new InvalidNameException(kind, name, $"it is longer than {maxBytes} bytes of UTF-8");
        }

        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsControl(name[i]))
            {
                throw new InvalidNameException(kind, name, $"character {i + 1} is a control character (U+{(int)name[i]:X4})");
            }

            if (char.IsSurrogate(name[i]))
            {
                if (!char.IsHighSurrogate(name[i]) || i + 1 == name.Length || !char.IsLowSurrogate(name[i + 1]))
                {
                    throw new InvalidNameException(kind, name, $"character {i + 1} is half a surrogate pair, which has no UTF-8 form");
                }

                i++;
            }
        }
    }
}
