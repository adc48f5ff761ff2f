namespace Millrace.Storage;

/// <summary>
/// The administration of queues: settings, counts, browsing, and work on single messages. Implemented by queue stores beside <see cref="IQueueStore"/>.
/// All members are safe for concurrent use. Queue names may be those of dead-letter queues except where settings are written.
/// Members that work on a queue throw <see cref="QueueNotFoundException"/> when it does not exist.
/// </summary>
public interface IQueueAdmin
{
    /// <summary>Creates a queue.</summary>
    /// <returns>False when it existed; its settings are then left as they are.</returns>
    ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default);

    /// <summary>Deletes a queue with its messages, dead letters, bindings and window of ids. Open leases on it are lost.</summary>
    /// <returns>False when there was none.</returns>
    ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>The settings of a queue.</summary>
    ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>Replaces the settings of a queue. Bounds that are now too small refuse new messages and drop none.</summary>
    ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default);

    /// <summary>The names of queues that start with <paramref name="prefix"/>, in ordinal order, without dead-letter queues.</summary>
    /// <param name="prefix">Empty for all.</param>
    /// <param name="after">The last name of the page before; null for the first page.</param>
    /// <param name="limit">At most so many; 1 to 1,000.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default);

    /// <summary>The counts of a queue.</summary>
    ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>Looks at messages without leasing them.</summary>
    ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default);

    /// <summary>Looks at one message by id; null when the queue has none with it. Where several live messages bear one id (after a redrive), the oldest.</summary>
    ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default);

    /// <summary>Removes one message that is not leased.</summary>
    ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default);

    /// <summary>Makes one message that is not leased due after <paramref name="delay"/> (zero: now); it gets a new place in its queue.</summary>
    ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default);

    /// <summary>
    /// Moves dead letters back to <paramref name="queue"/> with id, headers and body as they were, attempts from 0 and no expiry (Q12).
    /// Messages that are leased stay. Returned messages always fit.
    /// </summary>
    /// <param name="queue">The queue itself, not its dead-letter queue.</param>
    /// <param name="filter">Which ones.</param>
    /// <param name="cancellationToken">Ends the call between messages: those already moved stay moved.</param>
    /// <returns>How many were moved.</returns>
    ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default);

    /// <summary>Removes the ready and scheduled messages of a queue (or of a dead-letter queue); leased ones stay. Ids stay in the window (Q2).</summary>
    /// <returns>How many were removed.</returns>
    ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default);
}

/// <summary>Where a message stands.</summary>
public enum MessageState
{
    /// <summary>Waiting to be leased, or for its key to come free.</summary>
    Ready,

    /// <summary>Not due yet.</summary>
    Scheduled,

    /// <summary>With a receiver.</summary>
    Leased,
}

/// <summary>A message in a browse, with what its queue knows of it.</summary>
/// <param name="Message">The message. Its body is a copy that stays valid.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Attempts">Attempts counted so far.</param>
/// <param name="DueAt">When it becomes due, for a scheduled message; by the store's clock.</param>
/// <param name="LastError">The error that the last attempt reported, if any.</param>
public sealed record BrowsedMessage(Message Message, MessageState State, int Attempts, DateTimeOffset? DueAt, string? LastError);

/// <summary>Which messages to look at.</summary>
public sealed record BrowseQuery
{
    /// <summary>Where they stand. Ready ones come in the order of law Q3, scheduled ones by due time, leased ones in no stated order.</summary>
    public MessageState State { get; init; }

    /// <summary>At most so many, 1 to 1,000; 50 unless set.</summary>
    public int Limit { get; init; } = 50;

    /// <summary><see cref="BrowsePage.Next"/> of the page before; null for the first.</summary>
    public string? Continuation { get; init; }
}

/// <summary>A page of a browse. Messages that move while one browses may be missed or seen twice.</summary>
/// <param name="Messages">The messages.</param>
/// <param name="Next">The continuation of the next page; null at the end.</param>
public sealed record BrowsePage(IReadOnlyList<BrowsedMessage> Messages, string? Next);

/// <summary>The outcome of a change to one message.</summary>
public enum MessageChange
{
    /// <summary>Done.</summary>
    Done,

    /// <summary>The queue has no message with this id.</summary>
    NotFound,

    /// <summary>A receiver has it: settle it there, or wait for its lease to end.</summary>
    Leased,
}

/// <summary>Which dead letters to redrive. All of the conditions must hold; with none, every dead letter.</summary>
public sealed record DeadLetterFilter
{
    /// <summary>Every dead letter.</summary>
    public static DeadLetterFilter All { get; } = new();

    /// <summary>Only the one with this id; empty: any.</summary>
    public MessageId Id { get; init; }

    /// <summary>Only those with exactly this reason; null: any.</summary>
    public string? Reason { get; init; }

    /// <summary>Only those whose last error contains this text, ordinally; null: any.</summary>
    public string? ErrorContains { get; init; }

    /// <summary>Only those that died at or after this time; null: any.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>At most so many; null: no limit.</summary>
    public long? Limit { get; init; }

    /// <summary>Whether a dead letter meets the conditions other than <see cref="Limit"/>.</summary>
    public bool Matches(Message message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return (Id.IsEmpty || message.Id == Id)
            && (Reason is null || string.Equals(message.DeadLetter?.Reason, Reason, StringComparison.Ordinal))
            && (ErrorContains is null || (message.DeadLetter?.LastError?.Contains(ErrorContains, StringComparison.Ordinal) ?? false))
            && (Since is null || message.DeadLetter?.At >= Since);
    }
}
