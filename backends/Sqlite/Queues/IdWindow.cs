using System.Security.Cryptography;
using System.Text;
using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Queues;

/// <summary>The ids that senders gave: of living messages, and of settled ones for the window of law Q2.</summary>
internal sealed class IdWindow
{
    // Forgetting two for every one that is added empties any backlog of old ids, without one commit that pays for all of them.
    private const int ForgottenPerAddition = 2;

    // More only after the bound was lowered, and still not all in one commit.
    private const int MaxForgottenPerAddition = 64;

    private readonly StoreCounters _counters;
    private readonly Statement _find;
    private readonly Statement _findLiving;
    private readonly Statement _insert;
    private readonly Statement _settle;
    private readonly Statement _delete;
    private readonly Statement _deleteSettled;
    private readonly Statement _remember;
    private readonly Statement _oldest;
    private readonly Statement _forget;
    private readonly byte[] _hash = new byte[HashBytes];

    public IdWindow(Connection connection, string t, StoreCounters counters)
    {
        _counters = counters;
        _find = connection.Prepare($"SELECT settled_at FROM {t}ident WHERE queue = ?1 AND hash = ?2");
        _findLiving = connection.Prepare($"SELECT number FROM {t}ident WHERE queue = ?1 AND hash = ?2 AND settled_at IS NULL ORDER BY number");
        _insert = connection.Prepare($"INSERT OR REPLACE INTO {t}ident (queue, hash, number, settled_at) VALUES (?1, ?2, ?3, NULL)");
        _settle = connection.Prepare($"UPDATE {t}ident SET settled_at = ?4 WHERE queue = ?1 AND hash = ?2 AND number = ?3");
        _delete = connection.Prepare($"DELETE FROM {t}ident WHERE queue = ?1 AND hash = ?2 AND number = ?3");
        _deleteSettled = connection.Prepare($"DELETE FROM {t}ident WHERE queue = ?1 AND hash = ?2 AND number = ?3 AND settled_at = ?4");
        _remember = connection.Prepare($"INSERT INTO {t}remembered (queue, sequence, hash, number, settled_at) VALUES (?1, ?2, ?3, ?4, ?5)");
        _oldest = connection.Prepare($"SELECT sequence, hash, number, settled_at FROM {t}remembered WHERE queue = ?1 ORDER BY sequence LIMIT 1");
        _forget = connection.Prepare($"DELETE FROM {t}remembered WHERE queue = ?1 AND sequence = ?2");
    }

    /// <summary>The size of a hash: two ids of a million collide with a probability below 10^-26.</summary>
    public const int HashBytes = 16;

    /// <summary>The 128-bit hash of an id; that of a UUID is the UUID.</summary>
    public static void Hash(MessageId id, Span<byte> into)
    {
        if (id.TryGetUuid(out var uuid))
        {
            uuid.TryWriteBytes(into, bigEndian: true, out _);
            return;
        }

        Span<byte> text = stackalloc byte[1024];
        Span<byte> full = stackalloc byte[SHA256.HashSizeInBytes];
        var value = id.ToString();
        SHA256.HashData(Encoding.UTF8.GetMaxByteCount(value.Length) <= text.Length ? text[..Encoding.UTF8.GetBytes(value, text)] : Encoding.UTF8.GetBytes(value), full);
        full[..HashBytes].CopyTo(into);
    }

    /// <summary>Whether a message with this id would be a repeat.</summary>
    public bool IsTaken(QueueRow queue, ReadOnlySpan<byte> hash, long now)
    {
        _find.Bind(1, queue.Id).Bind(2, hash);
        var taken = false;
        while (_find.Step())
        {
            if (_find.IsNull(0) || _find.Int64(0) + queue.Settings.DedupWindow.Ticks > now)
            {
                taken = true;
                _find.Reset();
                break;
            }
        }

        return taken;
    }

    /// <summary>The living messages with an id, oldest first.</summary>
    public List<long> FindLiving(long queue, MessageId id)
    {
        var found = new List<long>();
        Hash(id, _hash);
        _findLiving.Bind(1, queue).Bind(2, _hash);
        while (_findLiving.Step())
        {
            found.Add(_findLiving.Int64(0));
        }

        return found;
    }

    public void Add(long queue, ReadOnlySpan<byte> hash, long number) => _insert.Bind(1, queue).Bind(2, hash).Bind(3, number).Run();

    public void Add(long queue, MessageId id, long number)
    {
        Hash(id, _hash);
        Add(queue, _hash, number);
    }

    /// <summary>A message with a sender's id has left its queue: the window begins.</summary>
    public void Settle(QueueRow queue, MessageId id, long number, long now)
    {
        Hash(id, _hash);
        var settings = queue.Settings;
        if (queue.IsDeadLetterQueue || settings.DedupWindow == TimeSpan.Zero || settings.DedupMaxEntries == 0)
        {
            _delete.Bind(1, queue.Id).Bind(2, _hash).Bind(3, number).Run();
            if (!queue.IsDeadLetterQueue && settings.DedupWindow > TimeSpan.Zero)
            {
                queue.Evicted++;
            }

            // What was remembered before the window was closed goes too.
            if (queue.Remembered > 0)
            {
                Shrink(queue, now);
            }

            return;
        }

        _settle.Bind(1, queue.Id).Bind(2, _hash).Bind(3, number).Bind(4, now).Run();
        _remember.Bind(1, queue.Id).Bind(2, _counters.NextSequence()).Bind(3, _hash).Bind(4, number).Bind(5, now).Run();
        queue.Remembered++;
        Shrink(queue, now);
    }

    private void Shrink(QueueRow queue, long now)
    {
        for (var i = 0; i < ForgottenPerAddition || (i < MaxForgottenPerAddition && queue.Remembered > queue.Settings.DedupMaxEntries); i++)
        {
            if (!_oldest.Bind(1, queue.Id).Step())
            {
                return;
            }

            var settledAt = _oldest.Int64(3);
            var isPast = settledAt + queue.Settings.DedupWindow.Ticks <= now;
            var isOver = queue.Remembered > queue.Settings.DedupMaxEntries;
            if (!isPast && !isOver)
            {
                _oldest.Reset();
                return;
            }

            var sequence = _oldest.Int64(0);
            _deleteSettled.Bind(1, queue.Id).Bind(2, _oldest.Blob(1)).Bind(3, _oldest.Int64(2)).Bind(4, settledAt);
            _oldest.Reset();
            _deleteSettled.Run();
            _forget.Bind(1, queue.Id).Bind(2, sequence).Run();
            queue.Remembered--;
            queue.Evicted += isPast ? 0 : 1;
        }
    }
}
