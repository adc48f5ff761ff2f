using System.Globalization;

namespace Millrace.Storage.Engine;

/// <summary>Collects the first entries after a cursor, in the order of a pair of numbers, from entries offered in any order.</summary>
internal sealed class EntryPage
{
    private readonly PriorityQueue<QueueEntry, (long, long)> _lastFirst = new(Comparer<(long, long)>.Create((left, right) => right.CompareTo(left)));
    private readonly (long, long) _after;
    private readonly int _limit;
    private bool _isCut;

    public EntryPage((long Major, long Minor) after, int limit)
    {
        _after = after;
        _limit = limit;
    }

    /// <summary>The cursor before everything.</summary>
    public static (long Major, long Minor) Start => (long.MinValue, long.MinValue);

    /// <summary>Reads a cursor from the text of a continuation; null when it is none.</summary>
    public static (long Major, long Minor)? ParseCursor(string text)
    {
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        return dot > 0
            && long.TryParse(text.AsSpan(0, dot), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var major)
            && long.TryParse(text.AsSpan(dot + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var minor)
                ? (major, minor)
                : null;
    }

    /// <summary>Of the entries of a rank, those up to this number stand before the cursor.</summary>
    public long AfterMinor(long major) => major < _after.Item1 ? long.MaxValue : major == _after.Item1 ? _after.Item2 : long.MinValue;

    /// <summary>Whether the page is full with entries before this place, so that this one and all after it belong to a later page.</summary>
    public bool IsBeyond(long major, long minor)
    {
        var isBeyond = _lastFirst.Count == _limit && _lastFirst.TryPeek(out _, out var last) && (major, minor).CompareTo(last) > 0;
        _isCut |= isBeyond;
        return isBeyond;
    }

    public void Offer(QueueEntry entry, long major, long minor)
    {
        if ((major, minor).CompareTo(_after) <= 0 || IsBeyond(major, minor))
        {
            return;
        }

        _lastFirst.Enqueue(entry, (major, minor));
        if (_lastFirst.Count > _limit)
        {
            _lastFirst.Dequeue();
            _isCut = true;
        }
    }

    /// <summary>The collected entries in order, and the cursor of the last one if more follow.</summary>
    public (QueueEntry[] Entries, (long Major, long Minor)? Next) Take()
    {
        var entries = new QueueEntry[_lastFirst.Count];
        (long, long)? next = null;
        for (var i = entries.Length - 1; i >= 0; i--)
        {
            _lastFirst.TryDequeue(out var entry, out var key);
            next ??= key;
            entries[i] = entry!;
        }

        return (entries, _isCut ? next : null);
    }

    public static string? Format((long Major, long Minor)? cursor) =>
        cursor is { } at ? string.Create(CultureInfo.InvariantCulture, $"{at.Major}.{at.Minor}") : null;
}
