using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>Where an open delivery stands between its dispatcher and its consumer.</summary>
internal enum LeaseState
{
    /// <summary>With its consumer.</summary>
    Open,

    /// <summary>A settlement of it is on its way to the store.</summary>
    Settling,

    /// <summary>The lease has ended; its consumer has been told, or will be when its settlement has failed. Kept for its credit.</summary>
    Lost,

    /// <summary>Its consumer has gone, and it is on its way back to the store.</summary>
    Returning,
}

/// <summary>
/// The open deliveries of a lane: by token, and for each consumer in the order in which it got them. The slots of one array are linked into lists, so that
/// a delivery costs no allocation and leaves in constant time. Not safe for concurrent use: guarded by the ledger's gate.
/// </summary>
internal sealed class LeaseTable
{
    private const int None = -1;

    private readonly Dictionary<LeaseToken, int> _index = [];
    private Slot[] _slots = [];
    private int _firstFree = None;
    private long _lastSerial;

    /// <summary>How many deliveries there are, lost ones included.</summary>
    public int Count => _index.Count;

    /// <summary>The number of the delivery that was added last.</summary>
    public long LastSerial => _lastSerial;

    /// <summary>Adds a delivery at the end of its consumer's list. False when the token is known already, which breaks the contract of a store.</summary>
    public bool TryAdd(LeaseToken token, DispatchConsumer owner, ReceiverSession session, long basis)
    {
        if (_firstFree == None)
        {
            Grow();
        }

        var at = _firstFree;
        if (!_index.TryAdd(token, at))
        {
            return false;
        }

        _firstFree = _slots[at].Next;
        ref var list = ref owner.Leases;
        _slots[at] = new Slot
        {
            Token = token,
            Owner = owner,
            Session = session,
            Basis = basis,
            Serial = ++_lastSerial,
            Previous = list.IsEmpty ? None : list.Last,
            Next = None,
        };
        if (list.IsEmpty)
        {
            list = new LeaseList(at, at);
        }
        else
        {
            _slots[list.Last].Next = at;
            list = new LeaseList(list.First, at);
        }

        session.OpenCount++;
        return true;
    }

    /// <summary>The slot of a token, or a null reference.</summary>
    public ref Slot Find(LeaseToken token) =>
        ref _index.TryGetValue(token, out var at) ? ref _slots[at] : ref System.Runtime.CompilerServices.Unsafe.NullRef<Slot>();

    /// <summary>Forgets a delivery.</summary>
    public bool Remove(LeaseToken token)
    {
        if (!_index.Remove(token, out var at))
        {
            return false;
        }

        ref var slot = ref _slots[at];
        ref var list = ref slot.Owner.Leases;
        var first = slot.Previous == None ? slot.Next : list.First;
        var last = slot.Next == None ? slot.Previous : list.Last;
        if (slot.Previous != None)
        {
            _slots[slot.Previous].Next = slot.Next;
        }

        if (slot.Next != None)
        {
            _slots[slot.Next].Previous = slot.Previous;
        }

        list = first == None ? default : new LeaseList(first, last);
        if (slot.State != LeaseState.Lost)
        {
            slot.Session.OpenCount--;
        }

        slot = new Slot { Owner = null!, Session = null!, Next = _firstFree };
        _firstFree = at;
        return true;
    }

    /// <summary>Marks a delivery as lost. False when it was already.</summary>
    public static bool MarkLost(ref Slot slot)
    {
        if (slot.State == LeaseState.Lost)
        {
            return false;
        }

        slot.State = LeaseState.Lost;
        slot.Session.OpenCount--;
        return true;
    }

    /// <summary>The tokens of a consumer's deliveries, in the order in which it got them.</summary>
    public List<LeaseToken> TokensOf(DispatchConsumer owner)
    {
        var tokens = new List<LeaseToken>();
        for (var at = owner.Leases.IsEmpty ? None : owner.Leases.First; at != None; at = _slots[at].Next)
        {
            tokens.Add(_slots[at].Token);
        }

        return tokens;
    }

    /// <summary>All slots, free ones included: those have no owner. For the passes that run a few times per lease.</summary>
    public Span<Slot> Slots => _slots;

    private void Grow()
    {
        var before = _slots.Length;
        Array.Resize(ref _slots, Math.Max(16, before * 2));
        for (var at = _slots.Length - 1; at >= before; at--)
        {
            _slots[at] = new Slot { Owner = null!, Session = null!, Next = _firstFree };
            _firstFree = at;
        }
    }

    /// <summary>One open delivery.</summary>
    internal struct Slot
    {
        public LeaseToken Token;
        public DispatchConsumer Owner;
        public ReceiverSession Session;

        /// <summary>When the request was made that leased or renewed it: the lease cannot end earlier than its length after this.</summary>
        public long Basis;

        /// <summary>Counts deliveries up, so that a renewal knows which it covered.</summary>
        public long Serial;
        public LeaseState State;

        /// <summary>Whether the consumer has been told that it is lost.</summary>
        public bool Announced;
        public int Previous;
        public int Next;
    }
}

/// <summary>The ends of a consumer's list of deliveries in the <see cref="LeaseTable"/>; <c>default</c> is an empty list.</summary>
internal readonly struct LeaseList(int first, int last)
{
    private readonly int _first = first + 1;
    private readonly int _last = last + 1;

    public bool IsEmpty => _first == 0;

    public int First => _first - 1;

    public int Last => _last - 1;
}
