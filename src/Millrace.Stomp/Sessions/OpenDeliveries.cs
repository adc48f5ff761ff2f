using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>
/// The deliveries of one subscription that are not acknowledged, in order. Each has a number that is not given out again: its slot, and how often that was used. So an
/// acknowledgement is found at once, and the table is as large as the most that were open at one time. Not safe for concurrent use.
/// </summary>
internal sealed class OpenDeliveries
{
    private const int SlotBits = 24;
    private const int SlotMask = (1 << SlotBits) - 1;
    private const int None = -1;

    private Slot[] _slots = [];
    private int _firstFree = None;
    private int _first = None;
    private int _last = None;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a delivery at the end. Returns its number.</summary>
    public long Add(LeaseToken token, MessageId id)
    {
        if (_firstFree == None)
        {
            Grow();
        }

        var at = _firstFree;
        ref var slot = ref _slots[at];
        _firstFree = slot.Next;
        slot.Token = token;
        slot.Id = id;
        slot.IsUsed = true;
        slot.Uses++;
        slot.Previous = _last;
        slot.Next = None;
        if (_last == None)
        {
            _first = at;
        }
        else
        {
            _slots[_last].Next = at;
        }

        _last = at;
        Count++;
        return NumberOf(at);
    }

    /// <summary>Notes that a delivery goes to the client, which may acknowledge it from now on.</summary>
    public void MarkWritten(long number)
    {
        if (Find(number) is var at && at != None)
        {
            _slots[at].IsWritten = true;
        }
    }

    /// <summary>Whether the client may acknowledge the delivery of this number now.</summary>
    public bool IsAcknowledgeable(long number) => Find(number) is var at && at != None && _slots[at].IsWritten && !_slots[at].IsInTransaction;

    /// <summary>The number of the oldest delivery with a message's id that may be acknowledged; -1 if there is none. Looks from the oldest on, which is where a client is.</summary>
    public long FindByMessageId(MessageId id)
    {
        for (var at = _first; at != None; at = _slots[at].Next)
        {
            if (_slots[at].Id == id && _slots[at].IsWritten && !_slots[at].IsInTransaction)
            {
                return NumberOf(at);
            }
        }

        return -1;
    }

    /// <summary>Takes a delivery out; it must be there.</summary>
    public LeaseToken Take(long number)
    {
        var at = Find(number);
        var token = _slots[at].Token;
        Remove(at);
        return token;
    }

    /// <summary>The numbers of the delivery and of all before it that are in no transaction, in order.</summary>
    public void ListThrough(long number, List<long> numbers)
    {
        var end = Find(number);
        for (var at = _first; at != None; at = _slots[at].Next)
        {
            if (!_slots[at].IsInTransaction)
            {
                numbers.Add(NumberOf(at));
            }

            if (at == end)
            {
                return;
            }
        }
    }

    /// <summary>Puts a delivery into a transaction, or takes it back from one that was aborted.</summary>
    public LeaseToken SetInTransaction(long number, bool isIn)
    {
        var at = Find(number);
        if (at == None)
        {
            return default;
        }

        _slots[at].IsInTransaction = isIn;
        return _slots[at].Token;
    }

    /// <summary>The tokens of deliveries that went to the client, in order.</summary>
    public LeaseToken[] WrittenTokens()
    {
        var tokens = new List<LeaseToken>();
        for (var at = _first; at != None; at = _slots[at].Next)
        {
            if (_slots[at].IsWritten)
            {
                tokens.Add(_slots[at].Token);
            }
        }

        return [.. tokens];
    }

    private long NumberOf(int at) => ((long)_slots[at].Uses << SlotBits) | (uint)at;

    private int Find(long number)
    {
        var at = (int)(number & SlotMask);
        return number >= 0 && at < _slots.Length && _slots[at].IsUsed && _slots[at].Uses == number >> SlotBits ? at : None;
    }

    private void Remove(int at)
    {
        ref var slot = ref _slots[at];
        if (slot.Previous == None)
        {
            _first = slot.Next;
        }
        else
        {
            _slots[slot.Previous].Next = slot.Next;
        }

        if (slot.Next == None)
        {
            _last = slot.Previous;
        }
        else
        {
            _slots[slot.Next].Previous = slot.Previous;
        }

        slot = new Slot { Uses = slot.Uses, Next = _firstFree };
        _firstFree = at;
        Count--;
    }

    private void Grow()
    {
        var before = _slots.Length;
        Array.Resize(ref _slots, Math.Max(16, before * 2));
        for (var at = _slots.Length - 1; at >= before; at--)
        {
            _slots[at].Next = _firstFree;
            _firstFree = at;
        }
    }

    private struct Slot
    {
        public LeaseToken Token;
        public MessageId Id;
        public long Uses;
        public int Previous;
        public int Next;
        public bool IsUsed;
        public bool IsWritten;
        public bool IsInTransaction;
    }
}
