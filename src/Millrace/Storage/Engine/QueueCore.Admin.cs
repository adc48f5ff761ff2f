namespace Millrace.Storage.Engine;

/// <content>Looking at messages, and work on single ones.</content>
internal sealed partial class QueueCore
{
    public void SetSettingsLocked(QueueSettings settings)
    {
        Settings = settings;
        if (_changes is not null)
        {
            _changes.Kind(ChangeKind.SettingsChanged);
            SettingsRecord.Write(_changes, settings);
        }

        _counters.DedupEvictions += _window.Trim(settings.DedupMaxEntries);
        _idleSince = MonotonicClock.Never;
    }

    public QueueStats GetStatsLocked(QueueSection section)
    {
        ref readonly var counters = ref CountersOf(section);
        return new QueueStats
        {
            Ready = section.Ready,
            Scheduled = section.Scheduled,
            Leased = section.Leased,
            Dead = section.IsDead ? 0 : Dead.Length,
            Bytes = section.Bytes,
            OldestReadyAge = section.OldestReady is { } oldest ? AgeOf(oldest) : null,
            Enqueued = counters.Enqueued,
            Completed = counters.Completed,
            Duplicates = counters.Duplicates,
            Expired = counters.Expired,
            Dropped = counters.Dropped,
            DeadLettered = counters.DeadLettered,
            DedupEvictions = counters.DedupEvictions,
        };
    }

    public BrowsePage BrowseLocked(QueueSection section, BrowseQuery query, (long Major, long Minor) after)
    {
        var page = new EntryPage(after, query.Limit);
        if (query.State == MessageState.Leased)
        {
            OfferLeased(page, section);
        }
        else
        {
            section.Offer(page, query.State);
        }

        var (entries, next) = page.Take();
        return new BrowsePage(Array.ConvertAll(entries, ShowLocked), EntryPage.Format(next));
    }

    public BrowsedMessage? GetMessageLocked(QueueSection section, MessageId id) =>
        FindLocked(section, id) is { } entry ? ShowLocked(entry) : null;

    public MessageChange RemoveMessageLocked(QueueSection section, MessageId id)
    {
        var change = FindIdleLocked(section, id, out var entry);
        if (change == MessageChange.Done)
        {
            section.Remove(entry!);
            RemoveLocked(entry!);
        }

        return change;
    }

    public MessageChange RescheduleLocked(QueueSection section, MessageId id, TimeSpan delay)
    {
        var change = FindIdleLocked(section, id, out var entry);
        if (change == MessageChange.Done)
        {
            section.Remove(entry!);
            section.LeaveLine(entry!);
            entry!.Sequence = ++_sequence;
            MakeReadyLocked(entry, delay);
            if (_changes is not null)
            {
                _changes.Kind(ChangeKind.Rescheduled).Number(entry.Slot).Number(entry.Sequence)
                    .Number(entry.Place == EntryPlace.Scheduled ? WallTimeOf(entry.Time).UtcTicks : 0);
            }
        }

        return change;
    }

    /// <summary>Removes what is ready or scheduled, up to a number of messages.</summary>
    /// <returns>How many messages.</returns>
    public long PurgeLocked(QueueSection section, int limit)
    {
        var removed = 0L;
        while (removed < limit && (section.OldestOfLowest ?? section.FirstScheduled) is { } entry)
        {
            section.Remove(entry);
            RemoveLocked(entry);
            removed++;
        }

        return removed;
    }

    /// <summary>
    /// Redrives the dead letters of one page that match, and moves <paramref name="cursor"/> on. Those that died after <paramref name="lastSequence"/> are left:
    /// a redrive that races with failing workers ends.
    /// </summary>
    /// <param name="state">Ready or scheduled.</param>
    /// <param name="filter">Which ones.</param>
    /// <param name="lastSequence">The queue's last sequence when the redrive began.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cursor">Where the page begins; null after the last page.</param>
    /// <returns>How many were moved.</returns>
    public long RedriveLocked(MessageState state, DeadLetterFilter filter, long lastSequence, long limit, ref (long Major, long Minor)? cursor)
    {
        const int PageSize = 1000;
        var page = new EntryPage(cursor ?? EntryPage.Start, PageSize);
        Dead.Offer(page, state);
        var (entries, next) = page.Take();
        var moved = 0L;
        foreach (var entry in entries)
        {
            // What is damaged has nothing to go back to the queue.
            if (moved < limit && entry.Sequence <= lastSequence && MessageOf(entry) is var message && filter.Matches(message)
                && !entry.IsDamaged && message.DeadLetter!.Reason != DeadLetterInfo.DamagedReason)
            {
                Dead.Remove(entry);
                RedriveLocked(entry, message);
                moved++;
            }
        }

        cursor = next;
        return moved;
    }

    /// <summary>The sequence that was given last.</summary>
    public long LastSequenceLocked => _sequence;

    private TimeSpan AgeOf(QueueEntry entry)
    {
        // The wall clock may have been set back meanwhile.
        var age = _store.Clock.UtcNow - MessageOrSubstituteOf(entry).EnqueuedAt;
        return age > TimeSpan.Zero ? age : TimeSpan.Zero;
    }

    private void OfferLeased(EntryPage page, QueueSection section)
    {
        for (var i = 0; i < _leases.Count; i++)
        {
            for (var entry = _leases[i].Open.Head; entry is not null && ReferenceEquals(entry.Section, section); entry = entry.Next)
            {
                page.Offer(entry, 0, entry.LeaseNumber);
            }
        }
    }

    private BrowsedMessage ShowLocked(QueueEntry entry) => entry.Place switch
    {
        EntryPlace.Scheduled => new(MessageOf(entry), MessageState.Scheduled, entry.Attempts, WallTimeOf(entry.Time), entry.LastError),
        EntryPlace.Leased => new(MessageOf(entry), MessageState.Leased, entry.Attempts, null, entry.LastError),
        _ => new(MessageOf(entry), MessageState.Ready, entry.Attempts, null, entry.LastError),
    };

    private MessageChange FindIdleLocked(QueueSection section, MessageId id, out QueueEntry? entry)
    {
        entry = FindLocked(section, id);
        return entry is null ? MessageChange.NotFound
            : entry.Place == EntryPlace.Leased ? MessageChange.Leased
            : MessageChange.Done;
    }

    /// <summary>The oldest message in a section with this id.</summary>
    private QueueEntry? FindLocked(QueueSection section, MessageId id)
    {
        var sent = _liveIds.Count > 0 && !id.IsEmpty ? FindSentLocked(section, HashOf(id)) : null;
        var assigned = id.TryGetUuid(out var uuid) ? FindOrWarmLocked(StoreIds.SlotOf(uuid)) : null;
        if (assigned is null || MessageOf(assigned).Id != id || (assigned.HasSenderId && !assigned.IsDamaged) || !ReferenceEquals(assigned.Section, section))
        {
            return sent;
        }

        // A sender may have repeated an id that the store assigned to another message.
        return sent is not null && MessageOf(sent).EnqueuedAt < MessageOf(assigned).EnqueuedAt ? sent : assigned;
    }

    private QueueEntry? FindSentLocked(QueueSection section, UInt128 hash)
    {
        var slots = _liveIds.Find(hash);
        for (var i = 0; i < slots.Count; i++)
        {
            if (FindOrWarmLocked(slots[i]) is { } entry && ReferenceEquals(entry.Section, section))
            {
                return entry;
            }
        }

        return null;
    }

    /// <summary>The entry in a slot; one that is cold is made an entry again.</summary>
    private QueueEntry? FindOrWarmLocked(int slot) =>
        _table.Find(slot) ?? (_table.FindCold(slot) is { } cold ? Main.Warm(in cold) : null);
}
