using Millrace.Storage;

namespace Millrace.Testing.Queues;

/// <summary>
/// The laws of one queue as the simplest program that keeps them: a list that is searched. It says what a store must answer to each step of a random history. Times are
/// milliseconds of the suite's clock.
/// </summary>
internal sealed class QueueModel(QueueSettings settings)
{
    private readonly List<Entry> _entries = [];
    private readonly Dictionary<string, long> _windows = [];
    private long _sequence;
    private long _arrivals;

    public enum Place
    {
        Scheduled,
        Ready,
        Leased,

        // Waiting for a delayed release, at the head of its key's line.
        Backoff,
        Dead,
    }

    public long Now { get; private set; }

    public long Expired { get; private set; }

    public long Dropped { get; private set; }

    public IEnumerable<Entry> Entries => _entries;

    /// <summary>Moves the time; what has become due, or was lost, is where it belongs afterwards.</summary>
    public void Advance(long by)
    {
        Now += by;
        foreach (var due in _entries.Where(entry => entry.Place is Place.Scheduled or Place.Backoff && entry.DueAt <= Now).OrderBy(entry => entry.DueAt).ThenBy(entry => entry.Arrival).ToList())
        {
            due.Sequence = ++_sequence;
            due.LineSequence = due.Place == Place.Backoff ? due.LineSequence : due.Sequence;
            due.Place = Place.Ready;
        }

        foreach (var lost in _entries.Where(entry => entry.Place == Place.Leased && entry.LeaseEnds <= Now).OrderBy(entry => entry.LeaseEnds).ToList())
        {
            Return(lost, delay: 0);
        }
    }

    /// <summary>What becomes of a batch: an outcome a message, or null when it is refused.</summary>
    public EnqueueOutcome[]? Enqueue(IReadOnlyList<Envelope> batch, IReadOnlyList<string> texts)
    {
        var outcomes = new EnqueueOutcome[batch.Count];
        var seen = new HashSet<string>();
        for (var i = 0; i < batch.Count; i++)
        {
            var id = batch[i].Id.ToString();
            outcomes[i] = id.Length > 0 && (!seen.Add(id) || IsKnown(id)) ? EnqueueOutcome.Duplicate : EnqueueOutcome.Stored;
        }

        if (!MakeRoom(outcomes.Count(outcome => outcome == EnqueueOutcome.Stored)))
        {
            return null;
        }

        for (var i = 0; i < batch.Count; i++)
        {
            if (outcomes[i] == EnqueueOutcome.Stored)
            {
                var entry = new Entry
                {
                    Text = texts[i], Id = batch[i].Id.ToString(), Key = batch[i].Key, Priority = batch[i].Priority, Arrival = ++_arrivals,
                    ExpiresAt = batch[i].TimeToLive is { } life ? Now + (long)life.TotalMilliseconds : long.MaxValue,
                };
                Schedule(entry, (long)batch[i].Delay.TotalMilliseconds);
                _entries.Add(entry);
            }
        }

        return outcomes;
    }

    /// <summary>What a poll for at most <paramref name="max"/> messages must give.</summary>
    public List<Entry> Lease(object receiver, int max, long leaseMs)
    {
        foreach (var expired in _entries.Where(entry => entry.Place == Place.Ready && entry.ExpiresAt <= Now).ToList())
        {
            Expire(expired);
        }

        var leased = new List<Entry>();
        while (leased.Count < max && _entries.Where(CanBeLeased).OrderByDescending(entry => entry.Priority).ThenBy(entry => entry.Sequence).FirstOrDefault() is { } next)
        {
            next.Place = Place.Leased;
            next.Attempts++;
            next.Leases++;
            next.Receiver = receiver;
            next.LeaseEnds = Now + leaseMs;
            leased.Add(next);
        }

        return leased;
    }

    public SettleResult Settle(Entry? entry, Settlement settlement)
    {
        if (entry is not { Place: Place.Leased })
        {
            return SettleResult.LeaseLost;
        }

        entry.LastError = settlement.Error ?? entry.LastError;
        switch (settlement.Kind)
        {
            case SettlementKind.Complete:
                Remove(entry);
                break;
            case SettlementKind.DeadLetter:
                Bury(entry, settlement.Reason!);
                break;
            default:
                entry.Attempts -= settlement.Uncounted ? 1 : 0;
                Return(entry, (long)settlement.Delay.TotalMilliseconds);
                break;
        }

        return SettleResult.Settled;
    }

    public void Renew(object receiver, long leaseMs)
    {
        foreach (var entry in _entries.Where(entry => entry.Place == Place.Leased && entry.Receiver == receiver))
        {
            entry.LeaseEnds = Now + leaseMs;
        }
    }

    public void Drop(object receiver)
    {
        foreach (var entry in _entries.Where(entry => entry.Place == Place.Leased && entry.Receiver == receiver).ToList())
        {
            entry.Attempts--;
            Return(entry, delay: 0);
        }
    }

    public MessageChange RemoveById(string id) => Change(id, Remove);

    public MessageChange Reschedule(string id, long delay) => Change(id, entry => Schedule(entry, delay));

    public long Redrive(string id)
    {
        var dead = _entries.Where(entry => entry.Place == Place.Dead && entry.Id == id).ToList();
        foreach (var entry in dead)
        {
            (entry.Attempts, entry.LastError, entry.Reason, entry.ExpiresAt, entry.Arrival) = (0, null, null, long.MaxValue, ++_arrivals);
            Schedule(entry, delay: 0);
        }

        return dead.Count;
    }

    public long Purge()
    {
        var purged = _entries.Where(entry => entry.Place is Place.Ready or Place.Scheduled or Place.Backoff).ToList();
        purged.ForEach(Remove);
        return purged.Count;
    }

    // A key's line is what is ready, leased or in backoff; only its head can go, and not while another is out.
    private bool CanBeLeased(Entry entry) =>
        entry.Place == Place.Ready
        && (entry.Key is null || !_entries.Exists(other =>
            other != entry && other.Key == entry.Key
            && (other.Place == Place.Leased || (other.Place is Place.Ready or Place.Backoff && other.LineSequence < entry.LineSequence))));

    private bool IsKnown(string id) =>
        _entries.Exists(entry => entry.Id == id && entry.Place != Place.Dead) || (_windows.TryGetValue(id, out var until) && Now < until);

    private bool MakeRoom(int count)
    {
        // A queue may be over its bound, by a redrive; what adds nothing to it is no reason to drop.
        var missing = count == 0 ? 0 : (int)Math.Max(0, count + _entries.Count(entry => entry.Place != Place.Dead) - settings.MaxLength);
        var droppable = _entries.Where(entry => entry.Place == Place.Ready).OrderBy(entry => entry.Priority).ThenBy(entry => entry.Sequence).ToList();
        if (missing > (settings.Overflow == QueueOverflow.Refuse ? 0 : droppable.Count))
        {
            return false;
        }

        foreach (var dropped in droppable.Take(missing))
        {
            Dropped++;
            Remove(dropped);
        }

        return true;
    }

    private void Schedule(Entry entry, long delay)
    {
        if (delay > 0)
        {
            entry.Place = Place.Scheduled;
            entry.DueAt = Now + delay;
        }
        else
        {
            entry.Place = Place.Ready;
            entry.Sequence = entry.LineSequence = ++_sequence;
        }
    }

    private void Return(Entry entry, long delay)
    {
        if (entry.ExpiresAt <= Now)
        {
            Expire(entry);
        }
        else if (entry.Attempts >= settings.MaxDeliveries)
        {
            Bury(entry, DeadLetterInfo.MaxDeliveriesReason);
        }
        else
        {
            entry.Place = delay > 0 ? Place.Backoff : Place.Ready;
            entry.DueAt = Now + delay;
        }
    }

    private void Expire(Entry entry)
    {
        Expired++;
        if (settings.DeadLetterExpired)
        {
            Bury(entry, DeadLetterInfo.ExpiredReason);
        }
        else
        {
            Remove(entry);
        }
    }

    private void Bury(Entry entry, string reason)
    {
        entry.Place = Place.Dead;
        entry.Reason = reason;
        _windows[entry.Id] = Now + (long)settings.DedupWindow.TotalMilliseconds;
    }

    private void Remove(Entry entry)
    {
        _entries.Remove(entry);
        entry.Place = Place.Dead;
        _windows[entry.Id] = Now + (long)settings.DedupWindow.TotalMilliseconds;
    }

    private MessageChange Change(string id, Action<Entry> change)
    {
        var entry = _entries.Find(entry => entry.Id == id && entry.Place != Place.Dead);
        if (entry is null)
        {
            return MessageChange.NotFound;
        }

        if (entry.Place == Place.Leased)
        {
            return MessageChange.Leased;
        }

        change(entry);
        return MessageChange.Done;
    }

    public sealed class Entry
    {
        public required string Text { get; init; }

        public required string Id { get; init; }

        public string? Key { get; init; }

        public int Priority { get; init; }

        public long Arrival { get; set; }

        public long ExpiresAt { get; set; }

        public Place Place { get; set; }

        public long Sequence { get; set; }

        /// <summary>Its place in its key's line: the first sequence that it got there.</summary>
        public long LineSequence { get; set; }

        public long DueAt { get; set; }

        public long LeaseEnds { get; set; }

        public object? Receiver { get; set; }

        public int Attempts { get; set; }

        /// <summary>How often it was given out, counted or not.</summary>
        public int Leases { get; set; }

        public string? LastError { get; set; }

        public string? Reason { get; set; }
    }
}
