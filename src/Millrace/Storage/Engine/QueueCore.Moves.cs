using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Millrace.Storage.Engine;

/// <content>The moves of messages: every arrow of the picture in docs/delivery.md is a method here.</content>
internal sealed partial class QueueCore
{
    /// <summary>Stores one message, unless it repeats an id. There must be room.</summary>
    /// <param name="envelope">The message.</param>
    /// <param name="body">A copy of its body, for the queue to keep; null: it is copied if need be.</param>
    /// <param name="acceptedAt">When.</param>
    public EnqueueResult StoreLocked(in Envelope envelope, byte[]? body, DateTimeOffset acceptedAt)
    {
        var id = envelope.Id;
        var hash = default(UInt128);
        var hasSenderId = !id.IsEmpty;
        _idleSince = MonotonicClock.Never;
        if (hasSenderId)
        {
            hash = HashOf(id);
            if (IsKnownLocked(hash))
            {
                _counters.Duplicates++;
                _hasRepeat = true;
                return new EnqueueResult(id, EnqueueOutcome.Duplicate);
            }
        }

        if (IsColdFromTheStart(in envelope))
        {
            return StoreColdLocked(in envelope, body is null ? envelope.Body.Span : body, hash, acceptedAt);
        }

        body ??= envelope.Body.ToArray();
        var entry = _table.Rent();
        if (hasSenderId)
        {
            entry.HasSenderId = true;
            _liveIds.Add(hash, entry.Slot);
        }
        else
        {
            id = _ids.Next(entry.Slot, acceptedAt.ToUnixTimeMilliseconds());
        }

        entry.Section = Main;
        entry.Sequence = ++_sequence;
        entry.BodyBytes = body.Length;
        entry.Priority = (byte)envelope.Priority;
        entry.IsKeyed = envelope.Key is not null;
        entry.Message = new Message
        {
            Id = id,
            Body = body,
            Headers = envelope.Headers ?? MessageHeaders.Empty,
            ContentType = envelope.ContentType,
            Key = envelope.Key,
            Priority = envelope.Priority,
            EnqueuedAt = acceptedAt,
            ExpiresAt = envelope.TimeToLive is { } life ? acceptedAt + life : null,
        };
        Main.Bytes += body.Length;
        _counters.Enqueued++;
        if (envelope.TimeToLive is { } timeToLive)
        {
            entry.ExpiresAt = MonotonicClock.Add(_now, timeToLive);
            _expiries.Add(entry, entry.ExpiresAt, entry.Sequence);
            NoteEventLocked(entry.ExpiresAt);
        }

        MakeReadyLocked(entry, envelope.Delay);
        if (_changes is not null)
        {
            entry.IsWaived = envelope.Durability == MessageDurability.None;
            WriteStored(entry);
        }

        return new EnqueueResult(id, EnqueueOutcome.Stored);
    }

    public bool HasExpiredLocked(QueueEntry entry) => entry.ExpiresAt <= _now;

    public UInt128 HashOf(MessageId id) => _store.IdHash.Of(id);

    /// <summary>Whether a message with this id would be a repeat: one that was sent here with it is unsettled, or was settled within the window.</summary>
    public bool IsKnownLocked(UInt128 hash)
    {
        if (_liveIds.Count > 0)
        {
            var slots = _liveIds.Find(hash);
            for (var i = 0; i < slots.Count; i++)
            {
                // What is cold stands in the queue itself.
                if (_table.Find(slots[i]) is not { Section.IsDead: true })
                {
                    return true;
                }
            }
        }

        _window.ForgetUntil(_now - DedupWindowTicks);
        return _window.Contains(hash);
    }

    /// <summary>Leases what law Q3 puts first, as many as there are places.</summary>
    /// <returns>How many.</returns>
    public int LeaseLocked(QueueReceiver receiver, Span<Delivery> into)
    {
        var section = receiver.Section;
        var count = 0;
        while (count < into.Length && section.FirstLeasable is { } entry)
        {
            if (!TryReadLocked(entry, hasOthers: count > 0, out var message))
            {
                break;
            }

            section.Remove(entry);
            if (entry.IsDamaged && !section.IsDead)
            {
                BuryDamagedLocked(entry);
                continue;
            }

            var wasLeased = entry.WasLeased;
            entry.WasLeased = true;
            entry.Attempts++;
            entry.Message = message;
            if (_changes is not null)
            {
                _store.Memory!.Remove(entry);
                _servedMustBeDurable |= !entry.IsWaived && !IsDurable(entry);
            }

            var attempt = entry.Attempts;
            var token = default(LeaseToken);
            if (receiver.SettlesOnLease)
            {
                CountersOf(section).Completed++;
                RemoveLocked(entry);
                _servedMustBeDurable = true;
            }
            else
            {
                _changes?.Kind(ChangeKind.Leased).Number(entry.Slot).Number(entry.Attempts);
                entry.Place = EntryPlace.Leased;
                entry.Holder = receiver;
                entry.LeaseNumber = ++_leaseNumber;
                entry.Time = MonotonicClock.Add(_now, receiver.LeaseTicks);
                section.Leased++;
                receiver.Open.Append(entry);
                token = TokenOf(entry);
                WatchLeaseLocked(receiver, entry.Time);
            }

            into[count++] = new Delivery { Message = message, Token = token, Attempt = attempt, Redelivered = wasLeased };
        }

        return count;
    }

    /// <summary>Reads what is to be leased. A disk that does not let it be read is the caller's matter, unless there is something else to give.</summary>
    private bool TryReadLocked(QueueEntry entry, bool hasOthers, [NotNullWhen(true)] out Message? message)
    {
        try
        {
            message = MessageOf(entry);
            return true;
        }
        catch (BackendUnavailableException) when (hasOthers)
        {
            message = null;
            return false;
        }
    }

    /// <summary>Settles the lease of a token, if it stands (laws Q5 and Q6).</summary>
    public SettleResult SettleLocked(QueueSection section, in Settlement settlement)
    {
        if (FindLeasedLocked(section, settlement.Token) is not { } entry)
        {
            return SettleResult.LeaseLost;
        }

        entry.LastError = settlement.Error ?? entry.LastError;
        switch (settlement.Kind)
        {
            case SettlementKind.Complete:
                DetachLocked(entry);
                CountersOf(section).Completed++;
                RemoveLocked(entry);
                break;
            case SettlementKind.DeadLetter:
                DetachLocked(entry);
                DieLocked(entry, settlement.Reason!);
                break;
            default:
                entry.Attempts -= settlement.Uncounted ? 1 : 0;
                
                // A due time beyond what a calendar can show would be shown to nobody; the store's longest delay is as good as never.
                ReturnLocked(entry, settlement.Delay < _store.Capabilities.MaxDelay ? settlement.Delay : _store.Capabilities.MaxDelay, isWritten: true);
                break;
        }

        return SettleResult.Settled;
    }

    /// <summary>The entry that a token leases in <paramref name="section"/>; null when that lease has ended or never was.</summary>
    public QueueEntry? FindLeasedLocked(QueueSection section, LeaseToken token)
    {
        if ((uint)(token.Low >> 32) != Serial || IsDeleted)
        {
            return null;
        }

        var entry = _table.Find((int)(uint)token.Low);
        return entry is { Place: EntryPlace.Leased }
            && (ulong)entry.LeaseNumber + _tokenSalt == token.High
            && ReferenceEquals(entry.Section, section)
                ? entry
                : null;
    }

    /// <summary>Returns everything that a receiver holds, in order and uncounted (law Q7).</summary>
    public void ReturnAllLocked(QueueReceiver receiver)
    {
        while (receiver.Open.Head is { } entry)
        {
            entry.Attempts--;
            ReturnLocked(entry, TimeSpan.Zero, isWritten: true);
        }

        if (IndexedHeap<QueueReceiver, QueueReceiver.InLeases>.Contains(receiver))
        {
            _leases.Remove(receiver);
        }
    }

    /// <summary>Drops ready messages, the oldest of the lowest priority first, until so many and so many bytes are gone.</summary>
    public void DropOldestLocked(long count, long bytes)
    {
        while ((count > 0 || bytes > 0) && Main.OldestOfLowest is { } entry)
        {
            count--;
            bytes -= entry.BodyBytes;
            _counters.Dropped++;
            Main.Remove(entry);
            RemoveLocked(entry);
        }
    }

    private ref QueueCounters CountersOf(QueueSection section) => ref section.IsDead ? ref _deadCounters : ref _counters;

    private LeaseToken TokenOf(QueueEntry entry) =>
        new((ulong)entry.LeaseNumber + _tokenSalt, ((ulong)Serial << 32) | (uint)entry.Slot);

    private void WatchLeaseLocked(QueueReceiver receiver, long end)
    {
        // A receiver that is in the heap stands there with a bound that is no later.
        if (!IndexedHeap<QueueReceiver, QueueReceiver.InLeases>.Contains(receiver))
        {
            _leases.Add(receiver, end);
            NoteEventLocked(end);
        }
    }

    /// <summary>Puts an entry that stands nowhere into its section: ready with the sequence that it has, or scheduled.</summary>
    private void MakeReadyLocked(QueueEntry entry, TimeSpan delay)
    {
        if (delay > TimeSpan.Zero)
        {
            entry.Time = MonotonicClock.Add(_now, delay);
            entry.Section.AddScheduled(entry);
            NoteEventLocked(entry.Time);
        }
        else
        {
            entry.Section.AddReady(entry);
        }
    }

    /// <summary>Takes a leased entry from its receiver.</summary>
    private static void DetachLocked(QueueEntry entry)
    {
        Debug.Assert(entry.Place == EntryPlace.Leased, "Only a leased message has a receiver.");
        entry.Holder!.Open.Remove(entry);
        entry.Holder = null;
        entry.Section.Leased--;
    }

    /// <summary>A leased message comes back: it has expired, its attempts are used up, or it is ready again now or later.</summary>
    private void ReturnLocked(QueueEntry entry, TimeSpan delay, bool isWritten)
    {
        DetachLocked(entry);
        if (HasExpiredLocked(entry))
        {
            ExpireLocked(entry);
        }
        else if (!entry.Section.IsDead && entry.Attempts >= Settings.MaxDeliveries)
        {
            DieLocked(entry, DeadLetterInfo.MaxDeliveriesReason);
        }
        else
        {
            if (delay > TimeSpan.Zero)
            {
                // Only breaks ties until it is due, when it gets its new place.
                entry.Sequence = ++_sequence;
            }

            MakeReadyLocked(entry, delay);
            if (entry.Section.IsDead)
            {
                SpareDeadLocked(entry);
            }
            else if (!IsDeleted)
            {
                _store.Memory?.Add(entry);
            }

            if (_changes is not null && isWritten)
            {
                WriteReturned(entry);
            }
        }
    }

    private void ExpireLocked(QueueEntry entry)
    {
        _counters.Expired++;
        if (Settings.DeadLetterExpired)
        {
            DieLocked(entry, DeadLetterInfo.ExpiredReason);
        }
        else
        {
            RemoveLocked(entry);
        }
    }

    /// <summary>Moves an entry that stands nowhere to the end of the dead letters.</summary>
    private void DieLocked(QueueEntry entry, string reason)
    {
        CountersOf(entry.Section).DeadLettered++;
        LeaveLocked(entry);
        var message = MessageOrSubstituteOf(entry);
        entry.IsDamaged |= message.Id == StoreIds.IdOfDamaged(entry.Slot, entry.Sequence);
        entry.IsKeyed &= message.Key is not null;
        entry.Death = new DeadLetterInfo(reason, entry.LastError, entry.Attempts, WallTimeOf(_now));
        entry.Message = CopyOf(message, entry.Death);
        entry.ExpiresAt = MonotonicClock.Never;
        EnterLocked(entry, Dead);
        if (_changes is not null)
        {
            WriteDied(entry, reason);
            SpareDeadLocked(entry);
        }
    }

    /// <summary>Moves a dead letter that stands nowhere back to the queue.</summary>
    private void RedriveLocked(QueueEntry entry, Message message)
    {
        LeaveLocked(entry);
        entry.Death = null;
        entry.Message = CopyOf(message, null);
        entry.Attempts = 0;
        entry.LastError = null;
        EnterLocked(entry, Main);
        if (_changes is not null)
        {
            _changes.Kind(ChangeKind.Redriven).Number(entry.Slot).Number(entry.Sequence);
            SpareRedrivenLocked(entry);
        }
    }

    private void EnterLocked(QueueEntry entry, QueueSection section)
    {
        entry.Section = section;
        entry.Sequence = ++_sequence;
        section.Bytes += entry.BodyBytes;
        section.AddReady(entry);
    }

    /// <summary>Ends an entry that stands nowhere.</summary>
    private void RemoveLocked(QueueEntry entry)
    {
        LeaveLocked(entry);
        if (entry.HasSenderId)
        {
            _liveIds.Remove(SenderHashOf(entry), entry.Slot);
        }

        if (_changes is not null)
        {
            _changes.Kind(ChangeKind.Removed).Number(entry.Slot);
            ForgetRecordLocked(entry);
        }

        _table.Return(entry);
    }

    /// <summary>What leaving a section means besides giving up the place: the key's line, the expiry, the bytes, and the window of ids.</summary>
    private void LeaveLocked(QueueEntry entry)
    {
        var section = entry.Section;
        section.Bytes -= entry.BodyBytes;
        section.LeaveLine(entry);
        if (entry.ExpiryPosition >= 0)
        {
            _expiries.Remove(entry);
        }

        // A dead letter's id has been in the window since it died.
        if (entry.HasSenderId && !section.IsDead && DedupWindowTicks > 0)
        {
            _counters.DedupEvictions += _window.Add(SenderHashOf(entry), _now, Settings.DedupMaxEntries);
            NoteEventLocked(MonotonicClock.Add(_now, DedupWindowTicks));
        }
    }

    private static Message CopyOf(Message message, DeadLetterInfo? deadLetter) => new()
    {
        Id = message.Id,
        Body = message.Body,
        Headers = message.Headers,
        ContentType = message.ContentType,
        Key = message.Key,
        Priority = message.Priority,
        EnqueuedAt = message.EnqueuedAt,
        DeadLetter = deadLetter,
    };
}
