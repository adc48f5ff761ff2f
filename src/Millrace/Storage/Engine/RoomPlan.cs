namespace Millrace.Storage.Engine;

/// <summary>
/// Works out, before anything is changed, whether what an operation adds to one queue fits its bounds (law Q9), and how much must be dropped for it. Follows the
/// operation's steps in order: settlements make room, repeats of ids take none. Used under the gate of the queue.
/// </summary>
internal sealed class RoomPlan(QueueCore core)
{
    private readonly HashSet<UInt128> _added = [];
    private readonly HashSet<UInt128> _settled = [];
    private long _length = core.Main.Length;
    private long _bytes = core.Main.Bytes;
    private long _dropCount;
    private long _dropBytes;

    /// <summary>Makes room for a batch, dropping what the queue's policy lets go.</summary>
    /// <returns>Null when the batch fits; else the bound that it breaks, and nothing was dropped.</returns>
    public static string? MakeRoomLocked(QueueCore core, ReadOnlySpan<Envelope> batch)
    {
        var bytes = 0L;
        foreach (ref readonly var envelope in batch)
        {
            bytes += envelope.Body.Length;
        }

        if (core.Main.Length + batch.Length <= core.Settings.MaxLength && core.Main.Bytes + bytes <= core.MaxBytes)
        {
            return null;
        }

        // Only now do repeats matter.
        var plan = new RoomPlan(core);
        foreach (ref readonly var envelope in batch)
        {
            if (plan.AddLocked(in envelope) is { } bound)
            {
                return bound;
            }
        }

        plan.DropLocked();
        return null;
    }

    /// <summary>Takes a settlement into account.</summary>
    public void SettleLocked(QueueEntry entry, in Settlement settlement)
    {
        var attempts = entry.Attempts - (settlement.Uncounted ? 1 : 0);
        var stays = settlement.Kind == SettlementKind.Release && !core.HasExpiredLocked(entry) && attempts < core.Settings.MaxDeliveries;
        if (entry.Section.IsDead || stays)
        {
            return;
        }

        _length--;
        _bytes -= entry.BodyBytes;
        if (entry.HasSenderId)
        {
            _settled.Add(core.HashOf(entry.Message!.Id));
        }
    }

    /// <summary>Takes a message into account.</summary>
    /// <returns>Null when it fits; else the bound that it breaks.</returns>
    public string? AddLocked(in Envelope envelope)
    {
        if (!envelope.Id.IsEmpty && IsRepeat(core.HashOf(envelope.Id)))
        {
            return null;
        }

        var settings = core.Settings;
        _length++;
        _bytes += envelope.Body.Length;
        _dropCount = Math.Max(_dropCount, _length - settings.MaxLength);
        _dropBytes = Math.Max(_dropBytes, _bytes - core.MaxBytes);

        // What stood ready before may go; what is being added may not.
        var isRefusing = settings.Overflow == QueueOverflow.Refuse;
        return _dropCount > (isRefusing ? 0 : core.Main.Ready) ? FormattableString.Invariant($"maxLength {settings.MaxLength}")
            : _dropBytes > (isRefusing ? 0 : core.Main.ReadyBytes) ? FormattableString.Invariant($"maxBytes {core.MaxBytes}")
            : null;
    }

    /// <summary>Drops what must go for everything that was added to fit.</summary>
    public void DropLocked() => core.DropOldestLocked(_dropCount, _dropBytes);

    private bool IsRepeat(UInt128 id)
    {
        if (!_added.Add(id))
        {
            return true;
        }

        // Without a window, an id may be sent again as soon as its message has been settled, also within one operation.
        var isFreed = core.Settings.DedupWindow == TimeSpan.Zero && _settled.Contains(id);
        return !isFreed && core.IsKnownLocked(id);
    }
}
