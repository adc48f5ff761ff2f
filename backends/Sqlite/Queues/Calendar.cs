using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Queues;

/// <summary>
/// Makes happen what happens by itself: leases end, messages expire, scheduled ones become due. Runs before every operation on a queue, so that each sees the
/// queue as it is at its instant, whoever looked last; two comparisons when nothing is to be done.
/// </summary>
internal sealed class Calendar
{
    /// <summary>
    /// The most messages that are moved in one go. A million that become due at once are moved in several commits, which others may use in between.
    /// </summary>
    public const int MaxMoves = 5000;

    private readonly Catalog _catalog;
    private readonly MessageTable _messages;
    private readonly PlaceTable _places;
    private readonly LeaseTable _leases;
    private readonly MessageMoves _moves;
    private readonly Statement _owners;
    private readonly string _domain;

    public Calendar(Connection connection, string t, string domain, Catalog catalog, MessageTable messages, PlaceTable places, LeaseTable leases, MessageMoves moves)
    {
        (_domain, _catalog, _messages, _places, _leases, _moves) = (domain, catalog, messages, places, leases, moves);
        _owners = connection.Prepare($"SELECT domain FROM {t}owner WHERE id = ?1");
    }

    /// <summary>Brings a queue to now. When more is to be done than fits, the queue's next event stays in the past.</summary>
    public void Advance(QueueRow queue, long wall, long monotonic)
    {
        if (queue.NextLeaseEnd <= monotonic)
        {
            EndLeases(queue, wall, monotonic);
        }

        if (queue.NextExpiry <= wall)
        {
            Expire(queue, wall);
        }

        if (queue.NextDue <= wall)
        {
            Promote(queue, wall);
        }
    }

    /// <summary>Ends a lease: its open messages come back.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="countAttempt">Whether the attempt counts.</param>
    /// <param name="at">When it ended, in wall ticks.</param>
    public void End(QueueRow queue, LeaseRow lease, bool countAttempt, long at)
    {
        _leases.Changed(lease);
        _catalog.Changed(queue);
        for (var i = 0; i < lease.Entries.Length; i++)
        {
            if (lease.IsOpen(i))
            {
                lease.Close(i);
                queue.Leased--;
                var message = _messages.Require(lease.Entries[i].Number);
                message.Attempts += countAttempt ? 1 : 0;
                message.WasDelivered = true;
                _moves.Return(queue, message, TimeSpan.Zero, at);
            }
        }
    }

    private void EndLeases(QueueRow queue, long wall, long monotonic)
    {
        _catalog.Changed(queue);
        var next = long.MaxValue;
        var after = long.MinValue;
        var moved = 0;
        var domains = new Dictionary<long, string?>();
        while (true)
        {
            var page = _leases.List(queue.Id, after, 500);
            foreach (var (id, owner, deadline) in page)
            {
                after = id;
                if (!domains.TryGetValue(owner, out var domain))
                {
                    domains[owner] = domain = OwnerDomain(owner);
                }

                // A deadline of another clock says nothing to us: its process ends it, or its death does.
                if (domain is not null && domain != _domain)
                {
                    continue;
                }

                // Without an owner there is nobody who could settle or renew it.
                if ((domain is not null && deadline > monotonic) || moved >= MaxMoves)
                {
                    next = Math.Min(next, domain is null ? monotonic : deadline);
                }
                else if (_leases.Find(queue.Id, id) is { } lease)
                {
                    moved += lease.OpenCount;

                    // What dies here died when the lease ended, however late that is noticed.
                    End(queue, lease, countAttempt: true, domain is null ? wall : wall - (monotonic - deadline));
                }
            }

            if (page.Count < 500)
            {
                break;
            }
        }

        queue.NextLeaseEnd = next;
    }

    private string? OwnerDomain(long owner)
    {
        _owners.Bind(1, owner);
        if (!_owners.Step())
        {
            return null;
        }

        var domain = _owners.Text(0);
        _owners.Reset();
        return domain;
    }

    private void Expire(QueueRow queue, long wall)
    {
        _catalog.Changed(queue);
        foreach (var (_, number) in _places.ListExpired(queue, wall, MaxMoves))
        {
            var message = _messages.Require(number);
            _places.Remove(queue, message);
            _moves.Expire(queue, message, wall);
        }

        queue.NextExpiry = _places.NextExpiry(queue);
    }

    private void Promote(QueueRow queue, long wall)
    {
        _catalog.Changed(queue);
        foreach (var (_, number) in _places.ListDue(queue, wall, MaxMoves))
        {
            var message = _messages.Require(number);
            _places.Remove(queue, message);
            _moves.BecomeReady(queue, message);
        }

        queue.NextDue = _places.NextDue(queue);
    }
}
