namespace Millrace.Sqlite.Queues;

/// <summary>Goes through the ready messages of a queue by rank, those that wait for their key included.</summary>
internal sealed class ReadyCursor
{
    private const int Page = 256;

    private readonly PlaceTable _places;
    private readonly QueueRow _queue;
    private readonly long _after;
    private readonly long _before;

    public ReadyCursor(PlaceTable places, QueueRow queue, long after, long before) => (_places, _queue, _after, _before) = (places, queue, after, before);

    /// <summary>The numbers of the messages whose rank lies between the bounds. The table must not change below while it is read.</summary>
    public IEnumerable<long> Numbers()
    {
        var after = _after;
        while (true)
        {
            var page = _places.ListReady(_queue, PlaceTable.Leasable, after, Page);
            page.AddRange(_places.ListReady(_queue, PlaceTable.Blocked, after, Page));
            page.Sort(static (left, right) => left.Rank.CompareTo(right.Rank));

            // Of two full pages only what is below both ends is complete.
            var count = Math.Min(page.Count, Page);
            for (var i = 0; i < count; i++)
            {
                if (page[i].Rank >= _before)
                {
                    yield break;
                }

                yield return page[i].Number;
                after = page[i].Rank;
            }

            if (count < Page)
            {
                yield break;
            }
        }
    }
}
