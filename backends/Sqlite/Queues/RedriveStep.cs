using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>
/// Redrives some dead letters at a time, going once through those that were there. A step changes nothing in itself: where it ended is adopted by
/// <see cref="Adopt"/> once its commit has succeeded, so that a commit that fails and is made again goes through the same messages.
/// </summary>
internal sealed class RedriveStep
{
    private readonly string _queue;
    private readonly DeadLetterFilter _filter;
    private readonly bool _isSelective;
    private Position _adopted;
    private Position _next;

    public RedriveStep(string queue, DeadLetterFilter filter)
    {
        (_queue, _filter) = (queue, filter);
        _adopted = new Position { Left = filter.Limit ?? long.MaxValue, AfterRank = long.MinValue };
        _isSelective = !filter.Id.IsEmpty || filter.Reason is not null || filter.ErrorContains is not null || filter.Since is not null;
    }

    public bool IsDone => _adopted.IsDone;

    /// <summary>The last step has been committed.</summary>
    public void Adopt() => _adopted = _next;

    /// <summary>Looks at up to <paramref name="limit"/> dead letters and moves those that match.</summary>
    /// <returns>How many were moved.</returns>
    public long Run(Ledger ledger, int limit)
    {
        var dead = ledger.Catalog.DeadLetterQueueOf(ledger.Open(_queue));
        _next = _adopted;
        if (!_next.IsStarted)
        {
            // A message that dies again while this runs has a later number in line; it is not gone through twice.
            _next.IsStarted = true;
            _next.End = ledger.Counters.NextSequence();
        }

        var numbers = _next.IsReadyDone ? NextScheduled(ledger, dead) : NextReady(ledger, dead, limit);
        var moved = 0L;
        foreach (var number in numbers)
        {
            if (_next.Left == 0)
            {
                _next.IsDone = true;
                break;
            }

            var message = ledger.Messages.Require(number);
            if (!_isSelective || ledger.Dispenser.Find(number) is { } whole && _filter.Matches(whole))
            {
                ledger.Places.Remove(dead, message);
                ledger.Moves.Redrive(dead, message, ledger.Wall);
                moved++;
                _next.Left--;
            }
        }

        return moved;
    }

    private List<long> NextReady(Ledger ledger, QueueRow dead, int limit)
    {
        var numbers = new List<long>();
        foreach (var number in new ReadyCursor(ledger.Places, dead, _next.AfterRank, long.MaxValue).Numbers())
        {
            var message = ledger.Messages.Require(number);
            _next.AfterRank = message.Rank;
            if ((message.Rank & ((1L << 56) - 1)) < _next.End)
            {
                numbers.Add(number);
            }

            if (numbers.Count == limit)
            {
                return numbers;
            }
        }

        _next.IsReadyDone = true;
        return numbers;
    }

    /// <summary>Dead letters that wait for a delayed release: few, so all at once.</summary>
    private List<long> NextScheduled(Ledger ledger, QueueRow dead)
    {
        _next.IsDone = true;
        return ledger.Places.ListDue(dead, long.MaxValue, int.MaxValue).ConvertAll(static place => place.Number);
    }

    /// <summary>How far the redrive has come.</summary>
    private struct Position
    {
        public long Left;
        public long AfterRank;
        public long End;
        public bool IsStarted;
        public bool IsReadyDone;
        public bool IsDone;
    }
}
