using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Queues;

/// <summary>Reads messages as users see them from rows of a statement that selects <see cref="Columns"/>.</summary>
internal static class MessageReader
{
    /// <summary>The columns, of a message table with the alias m.</summary>
    public const string Columns =
        "m.number, m.rank, m.enqueued_at, m.tries, m.flags, m.body, m.expires, m.key, m.id, m.content_type, m.headers, m.error, m.reason, m.dead_tries, m.dead_at, m.due";

    public const int Number = 0;
    public const int Rank = 1;
    public const int Tries = 3;
    public const int Flags = 4;
    public const int Body = 5;
    public const int Expires = 6;
    public const int Error = 11;
    public const int Due = 15;

    private const int EnqueuedAt = 2;
    private const int Key = 7;
    private const int Id = 8;
    private const int ContentType = 9;
    private const int Headers = 10;
    private const int Reason = 12;
    private const int DeadTries = 13;
    private const int DeadAt = 14;

    public static Message Read(Statement s, int salt)
    {
        var flags = (MessageFlags)s.Int32(Flags);
        var enqueuedAt = s.Int64(EnqueuedAt);
        var hasDetails = (flags & MessageFlags.Details) != 0;
        return new Message
        {
            Id = (flags & MessageFlags.Id) != 0 ? ReadId(s, Id) : new MessageId(StoredId.Create(enqueuedAt, s.Int64(Number), salt)),
            Body = s.Blob(Body).ToArray(),
            Priority = StoredMessage.PriorityOf(s.Int64(Rank)),
            EnqueuedAt = StoreClock.ToDateTime(enqueuedAt),
            ExpiresAt = (flags & MessageFlags.Expires) != 0 ? StoreClock.ToDateTime(s.Int64(Expires)) : null,
            Key = (flags & MessageFlags.Key) != 0 ? s.Text(Key) : null,
            ContentType = hasDetails ? s.Text(ContentType) : null,
            Headers = hasDetails && !s.IsNull(Headers) ? HeaderCodec.Decode(s.Blob(Headers)) : MessageHeaders.Empty,
            DeadLetter = hasDetails && s.Text(Reason) is { } reason
                ? new DeadLetterInfo(reason, s.Text(Error), s.Int32(DeadTries), StoreClock.ToDateTime(s.Int64(DeadAt)))
                : null,
        };
    }

    /// <summary>An id that its sender gave: 16 bytes for a UUID, else text.</summary>
    public static MessageId ReadId(Statement s, int column) =>
        s.IsNull(column) ? default : s.IsText(column) ? new MessageId(s.Text(column)!) : new MessageId(new Guid(s.Blob(column), bigEndian: true));
}
