using System.Diagnostics;
using System.Numerics;

namespace Millrace.Storage.Engine;

/// <summary>
/// One of the two queues of a <see cref="QueueCore"/>: the queue itself, or its dead letters. Holds the places where messages stand, and their counts; the moves
/// between places are made by the core, under its gate.
/// </summary>
internal sealed class QueueSection
{
    private readonly ReadyLevel[] _levels = new ReadyLevel[MessagePriority.Highest + 1];
    private readonly IndexedHeap<QueueEntry, QueueEntry.InHeap> _scheduled = new();
    private readonly Dictionary<string, KeyLine> _lines = new(StringComparer.Ordinal);

    // Bit p is set while the level of priority p has something to lease.
    private uint _leasable;

    public QueueSection(QueueCore core, string name, bool isDead)
    {
        Core = core;
        Name = name;
        IsDead = isDead;
        for (var i = 0; i < _levels.Length; i++)
        {
            _levels[i] = new ReadyLevel(this);
        }
    }

    public QueueCore Core { get; }

    public string Name { get; }

    public bool IsDead { get; }

    public long Ready { get; private set; }

    public long ReadyBytes { get; private set; }

    public long Scheduled => _scheduled.Count;

    public long Leased { get; set; }

    /// <summary>Bytes of bodies in every state.</summary>
    public long Bytes { get; set; }

    /// <summary>Messages in every state.</summary>
    public long Length => Ready + Scheduled + Leased;

    public bool HasLeasable => _leasable != 0;

    /// <summary>When the next scheduled message is due.</summary>
    public long NextDue => _scheduled.FirstKey;

    /// <summary>The receivers that wait, longest first. While there is one, nothing is leasable when the gate is left.</summary>
    public WaitingReceivers Waiting { get; } = new();

    /// <summary>The message that law Q3 puts first; null when none can be leased.</summary>
    public QueueEntry? FirstLeasable => _leasable == 0 ? null : _levels[BitOperations.Log2(_leasable)].First;

    public QueueEntry? FirstScheduled => _scheduled.First;

    /// <summary>The oldest ready message of the lowest priority; null when none is ready.</summary>
    public QueueEntry? OldestOfLowest
    {
        get
        {
            foreach (var level in _levels)
            {
                if (level.Oldest is { } oldest)
                {
                    return oldest;
                }
            }

            return null;
        }
    }

    /// <summary>The ready message with the oldest sequence; null when none is ready.</summary>
    public QueueEntry? OldestReady
    {
        get
        {
            QueueEntry? oldest = null;
            foreach (var level in _levels)
            {
                if (level.Oldest is { } candidate && (oldest is null || candidate.Sequence < oldest.Sequence))
                {
                    oldest = candidate;
                }
            }

            return oldest;
        }
    }

    /// <summary>Makes an entry ready at the place of its sequence; joins the line of its key unless it stands in it.</summary>
    public void AddReady(QueueEntry entry)
    {
        Ready++;
        ReadyBytes += entry.BodyBytes;
        var line = entry.Key?.Line;
        if (line is null && entry.IsKeyed && Core.MessageOrSubstituteOf(entry).Key is { } key)
        {
            line = JoinLine(entry, key, entry.Sequence);
        }

        AddReady(entry, line);
    }

    /// <summary>Puts an entry into the line of its key, as a start does with what the journal has: in the order in which they joined.</summary>
    public void Rejoin(QueueEntry entry, string key, long joinedAt) => JoinLine(entry, key, joinedAt);

    /// <summary>Makes an entry ready that has joined the line of its key, if it has one, as a start does in the order of sequences.</summary>
    public void AddLoaded(QueueEntry entry)
    {
        Ready++;
        ReadyBytes += entry.BodyBytes;
        AddReady(entry, entry.Key?.Line);
    }

    /// <summary>Lets the message of a ready entry wait in the journal, if it is the last in the order of its level.</summary>
    public bool TryCool(QueueEntry entry) => _levels[entry.Priority].TryCool(entry);

    /// <summary>Whether the level of a priority has cold messages, so that what comes after them must be cold too.</summary>
    public bool HasCold(int priority) => _levels[priority].Cold.Count > 0;

    /// <summary>Puts a cold slot at the end of its level, as a start does with what the journal has.</summary>
    public void AddCold(int slot, in ColdEntry cold, long sequence)
    {
        Ready++;
        ReadyBytes += cold.BodyBytes;
        _levels[cold.Priority].AddCold(sequence, slot);
        _leasable |= 1u << cold.Priority;
    }

    /// <summary>The full sequence of a cold message.</summary>
    public long SequenceOf(in ColdEntry cold) => cold.SequenceUpTo(_levels[cold.Priority].Cold.LastSequence);

    /// <summary>Makes one cold message an entry at its place again.</summary>
    public QueueEntry Warm(in ColdEntry cold) => _levels[cold.Priority].Warm(SequenceOf(in cold));

    public void AddScheduled(QueueEntry entry)
    {
        entry.Place = EntryPlace.Scheduled;
        _scheduled.Add(entry, entry.Time, entry.Sequence);
    }

    /// <summary>Takes an entry out of its ready or scheduled place; its place in the line of its key stays.</summary>
    public void Remove(QueueEntry entry)
    {
        if (entry.Place == EntryPlace.Scheduled)
        {
            _scheduled.Remove(entry);
            return;
        }

        Debug.Assert(entry.Place is EntryPlace.Ready or EntryPlace.Blocked, "What is removed from a section's places is ready or scheduled.");
        var level = _levels[entry.Priority];
        level.Remove(entry);
        if (!level.HasLeasable)
        {
            _leasable &= ~(1u << entry.Priority);
        }

        Ready--;
        ReadyBytes -= entry.BodyBytes;
    }

    /// <summary>Takes an entry out of the line of its key, and frees the next one if it was the head.</summary>
    public void LeaveLine(QueueEntry entry)
    {
        if (entry.Key?.Line is not { } line)
        {
            return;
        }

        var wasHead = ReferenceEquals(line.Head, entry);
        line.Remove(entry);
        if (line.Head is null)
        {
            _lines.Remove(line.Key);
        }
        else if (wasHead)
        {
            Debug.Assert(line.Head.Place == EntryPlace.Blocked, "Only the head of a line is anything but blocked.");
            _levels[line.Head.Priority].Remove(line.Head);
            AddLeasable(line.Head);
        }
    }

    /// <summary>Shows the entries in one state to a page. Ready: by priority and sequence; scheduled: by due time.</summary>
    public void Offer(EntryPage page, MessageState state)
    {
        if (state == MessageState.Scheduled)
        {
            for (var i = 0; i < _scheduled.Count; i++)
            {
                page.Offer(_scheduled[i], _scheduled[i].Time, _scheduled[i].Sequence);
            }

            return;
        }

        for (var priority = MessagePriority.Highest; priority >= MessagePriority.Lowest; priority--)
        {
            _levels[priority].Offer(page, RankOf(priority));
        }
    }

    private static int RankOf(int priority) => MessagePriority.Highest - priority;

    private void AddLeasable(QueueEntry entry)
    {
        _levels[entry.Priority].Add(entry);
        _leasable |= 1u << entry.Priority;
    }

    private void AddReady(QueueEntry entry, KeyLine? line)
    {
        if (line is null || ReferenceEquals(line.Head, entry))
        {
            AddLeasable(entry);
        }
        else
        {
            _levels[entry.Priority].AddBlocked(entry);
        }
    }

    private KeyLine JoinLine(QueueEntry entry, string key, long joinedAt)
    {
        if (!_lines.TryGetValue(key, out var line))
        {
            line = new KeyLine(key);
            _lines.Add(key, line);
        }

        line.Append(entry, joinedAt);
        return line;
    }
}
