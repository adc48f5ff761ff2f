namespace Millrace.Scheduling.Schedules;

/// <summary>What one step skips for one reason, in order and without a gap: each by itself, or all in one when there are very many.</summary>
internal sealed class SkippedGroup(string reason)
{
    private const int MaxNamed = 100;

    private readonly List<DateTimeOffset> _dues = [];
    private DateTimeOffset _last;

    public long Count { get; private set; }

    public IReadOnlyList<SkippedOccurrence> Named => Count <= MaxNamed
        ? _dues.ConvertAll(due => new SkippedOccurrence(due, reason))
        : [new SkippedOccurrence(_dues[0], reason, Count, _last)];

    public void Add(DateTimeOffset due)
    {
        Count++;
        _last = due;
        if (_dues.Count < MaxNamed)
        {
            _dues.Add(due);
        }
    }
}
