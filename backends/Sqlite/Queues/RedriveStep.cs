using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>Redrives some dead letters at a time, going once through those that were there.</summary>
internal sealed class RedriveStep
{
    private readonly string _queue;
    private readonly DeadLetterFilter _filter;
    private readonly bool _isSelective;
    private long _left;
    private long _afterRank = long.MinValue;
    private long _end;
    private bool _isReadyDone;
    private bool _isStarted;

    public RedriveStep(string queue, DeadLetterFilter filter)
    {
        (_queue, _filter, _left) = (queue, filter, filter.Limit ?? long.MaxValue);
        _isSelective = !filter.Id.IsEmpty || filter.Reason is not null || filter.ErrorContains is not null || filter.Since is not null;
    }

    public bool IsDone { get; private set; }

    /// <summary>Looks at up to <paramref name="limit"/> dead letters and moves those that match.</summary>
    /// <returns>How many were moved.</returns>
    public long Run(Ledger ledger, int limit)
    {
        var dead = ledger.Catalog.DeadLetterQueueOf(ledger.Open(_queue));
        if (!_isStarted)
        {
            // A message that dies again while this runs has a later number in line; it is not gone through twice.
            _isStarted = true;
            _end = ledger.Counters.NextSequence();
        }

        var numbers = _isReadyDone ? NextScheduled(ledger, dead) : NextReady(ledger, dead, limit);
        var moved = 0L;
        foreach (var number in numbers)
        {
            if (_left == 0)
            {
                IsDone = true;
                break;
            }

            var message = ledger.Messages.Require(number);
            if (!_isSelective || ledger.Dispenser.Find(number) is { } whole && _filter.Matches(whole))
            {
                ledger.Places.Remove(dead, message);
                ledger.Moves.Redrive(dead, message, ledger.Wall);
                moved++;
                _left--;
            }
        }

        return moved;
    }

    private List<long> NextReady(Ledger ledger, QueueRow dead, int limit)
    {
        var numbers = new List<long>();
        foreach (var number in new ReadyCursor(ledger.Places, dead, _afterRank, long.MaxValue).Numbers())
        {
            var message = ledger.Messages.Require(number);
            _afterRank = message.Rank;
            if ((message.Rank & ((1L << 56) - 1)) < _end)
            {
                numbers.Add(number);
            }

            if (numbers.Count == limit)
            {
                return numbers;
            }
        }

        _isReadyDone = true;
        return numbers;
    }

    /// <summary>Dead letters that wait for a delayed release: few, so all at once.</summary>
    private List<long> NextScheduled(Ledger ledger, QueueRow dead)
    {
        IsDone = true;
        return ledger.Places.ListDue(dead, long.MaxValue, int.MaxValue).ConvertAll(static place => place.Number);
    }
}
