using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Queues;

/// <summary>The messages themselves, by number.</summary>
internal sealed class MessageTable
{
    private readonly Statement _insertPlain;
    private readonly Statement _insert;
    private readonly Statement _select;
    private readonly Statement _updatePlace;
    private readonly Statement _updateReturned;
    private readonly Statement _updateDead;
    private readonly Statement _updateRedriven;
    private readonly Statement _deleteRange;
    private long _deleteFrom = -1;
    private long _deleteTo = -1;

    public MessageTable(Connection connection, string t)
    {
        _insertPlain = connection.Prepare(
            $"INSERT INTO {t}message (number, queue, rank, enqueued_at, tries, flags, body) VALUES (?1, ?2, ?3, ?4, 0, 0, ?5)");
        _insert = connection.Prepare(
            $"INSERT INTO {t}message (number, queue, rank, enqueued_at, tries, flags, body, due, expires, position, key, id, content_type, headers) "
            + "VALUES (?1, ?2, ?3, ?4, 0, ?6, ?5, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
        _select = connection.Prepare(
            $"SELECT queue, rank, enqueued_at, tries, flags, due, expires, position, key, id, error, length(body) FROM {t}message WHERE number = ?1");
        _updatePlace = connection.Prepare($"UPDATE {t}message SET rank = ?2, due = ?3, position = ?4 WHERE number = ?1");
        _updateReturned = connection.Prepare($"UPDATE {t}message SET tries = ?2, flags = ?3, error = ?4 WHERE number = ?1");
        _updateDead = connection.Prepare(
            $"UPDATE {t}message SET queue = ?2, rank = ?3, tries = ?4, flags = ?5, error = ?6, reason = ?7, dead_tries = ?8, dead_at = ?9, "
            + "due = NULL, expires = NULL, position = ?10 WHERE number = ?1");
        _updateRedriven = connection.Prepare(
            $"UPDATE {t}message SET queue = ?2, rank = ?3, tries = ?4, position = ?5, error = NULL, reason = NULL, dead_tries = NULL, dead_at = NULL, "
            + "due = NULL, expires = NULL WHERE number = ?1");
        _deleteRange = connection.Prepare($"DELETE FROM {t}message WHERE number BETWEEN ?1 AND ?2");
    }

    public void InsertPlain(long number, long queue, long rank, long now, ReadOnlySpan<byte> body) =>
        _insertPlain.Bind(1, number).Bind(2, queue).Bind(3, rank).Bind(4, now).Bind(5, body).Run();

    public void Insert(long number, long queue, long rank, long now, in Envelope envelope, MessageFlags flags, long? due, long? expires, long? position)
    {
        _insert.Bind(1, number).Bind(2, queue).Bind(3, rank).Bind(4, now).Bind(5, envelope.Body.Span).Bind(6, (long)flags)
            .Bind(7, due).Bind(8, expires).Bind(9, position).Bind(10, envelope.Key);
        BindId(11, envelope.Id);
        _insert.Bind(12, envelope.ContentType);
        if (envelope.Headers is { Count: > 0 } headers)
        {
            _insert.Bind(13, HeaderCodec.Encode(headers));
        }
        else
        {
            _insert.BindNull(13);
        }

        _insert.Run();
    }

    public StoredMessage? Find(long number)
    {
        FlushDeletes();
        if (!_select.Bind(1, number).Step())
        {
            return null;
        }

        var tries = _select.Int64(3);
        var message = new StoredMessage
        {
            Number = number,
            Queue = _select.Int64(0),
            Rank = _select.Int64(1),
            EnqueuedAt = _select.Int64(2),
            Attempts = (int)(tries >> 1),
            WasDelivered = (tries & 1) != 0,
            Flags = (MessageFlags)_select.Int32(4),
            Due = _select.NullableInt64(5),
            Expires = _select.NullableInt64(6),
            Position = _select.NullableInt64(7),
            Key = _select.Text(8),
            SenderId = MessageReader.ReadId(_select, 9),
            Error = _select.Text(10),
            BodyLength = _select.Int32(11),
        };
        _select.Reset();
        return message;
    }

    public StoredMessage Require(long number) =>
        Find(number) ?? throw new StorageCorruptException($"Message {number} stands in a queue and is not in the message table.");

    /// <summary>Writes rank, due time and place in line.</summary>
    public void UpdatePlace(StoredMessage m) => _updatePlace.Bind(1, m.Number).Bind(2, m.Rank).Bind(3, m.Due).Bind(4, m.Position).Run();

    /// <summary>Writes what a delivery left behind: attempts and the last error.</summary>
    public void UpdateReturned(StoredMessage m)
    {
        if (m.Error is not null)
        {
            m.Flags |= MessageFlags.Details;
        }

        _updateReturned.Bind(1, m.Number).Bind(2, TriesOf(m)).Bind(3, (long)m.Flags).Bind(4, m.Error).Run();
    }

    public void UpdateDead(StoredMessage m, string reason, int attempts, long now)
    {
        m.Flags = (m.Flags & ~MessageFlags.Expires) | MessageFlags.Details;
        _updateDead.Bind(1, m.Number).Bind(2, m.Queue).Bind(3, m.Rank).Bind(4, TriesOf(m)).Bind(5, (long)m.Flags).Bind(6, m.Error).Bind(7, reason)
            .Bind(8, attempts).Bind(9, now).Bind(10, m.Position).Run();
    }

    public void UpdateRedriven(StoredMessage m) =>
        _updateRedriven.Bind(1, m.Number).Bind(2, m.Queue).Bind(3, m.Rank).Bind(4, TriesOf(m)).Bind(5, m.Position).Run();

    /// <summary>Deletes a message. Runs of neighbours, which a batch leaves as a rule, become one statement; see <see cref="FlushDeletes"/>.</summary>
    public void Delete(long number)
    {
        if (number != _deleteTo + 1 || _deleteTo < 0)
        {
            FlushDeletes();
            _deleteFrom = number;
        }

        _deleteTo = number;
    }

    /// <summary>Carries out the deletes that were gathered. Called before anything else reads the table, and before a commit.</summary>
    public void FlushDeletes()
    {
        if (_deleteTo >= 0)
        {
            _deleteRange.Bind(1, _deleteFrom).Bind(2, _deleteTo).Run();
            _deleteTo = -1;
        }
    }

    public void Forget() => _deleteTo = -1;

    private static long TriesOf(StoredMessage m) => ((long)m.Attempts << 1) | (m.WasDelivered ? 1L : 0);

    private void BindId(int index, MessageId id)
    {
        if (id.IsEmpty)
        {
            _insert.BindNull(index);
        }
        else if (id.TryGetUuid(out var uuid))
        {
            Span<byte> bytes = stackalloc byte[16];
            uuid.TryWriteBytes(bytes, bigEndian: true, out _);
            _insert.Bind(index, bytes);
        }
        else
        {
            _insert.Bind(index, id.ToString());
        }
    }
}
