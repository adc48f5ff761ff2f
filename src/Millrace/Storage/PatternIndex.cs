namespace Millrace.Storage;

/// <summary>
/// Finds by topic what was added under patterns: literal patterns by dictionary, globs by trying each, and both answers remembered by topic until something is
/// added or removed. Not safe for concurrent use.
/// </summary>
internal sealed class PatternIndex<T>
    where T : class
{
    // Topics with many publishes are few; a sender of ever new topics must not fill the memory.
    private const int MaxRemembered = 4096;

    private readonly Dictionary<string, List<T>> _literals = new(StringComparer.Ordinal);
    private readonly List<(TopicPattern Pattern, T Item)> _globs = [];
    private readonly Dictionary<string, T[]> _remembered = new(StringComparer.Ordinal);

    public void Add(TopicPattern pattern, T item)
    {
        _remembered.Clear();
        if (!pattern.IsLiteral)
        {
            _globs.Add((pattern, item));
            return;
        }

        if (!_literals.TryGetValue(pattern.Text, out var items))
        {
            _literals.Add(pattern.Text, items = []);
        }

        items.Add(item);
    }

    /// <summary>Removes what was added once.</summary>
    public void Remove(TopicPattern pattern, T item)
    {
        _remembered.Clear();
        if (!pattern.IsLiteral)
        {
            _globs.RemoveAt(_globs.FindIndex(glob => ReferenceEquals(glob.Item, item) && glob.Pattern.Equals(pattern)));
            return;
        }

        var items = _literals[pattern.Text];
        items.Remove(item);
        if (items.Count == 0)
        {
            _literals.Remove(pattern.Text);
        }
    }

    /// <summary>Everything whose pattern matches, each once. The array is shared: it must not be changed.</summary>
    public T[] Find(string topic)
    {
        if (_remembered.TryGetValue(topic, out var found))
        {
            return found;
        }

        found = Match(topic);
        if (found.Length == 0 && _globs.Count == 0)
        {
            // Looking into the literals once more costs as little as remembering, and ever new topics leave nothing.
            return found;
        }

        if (_remembered.Count == MaxRemembered)
        {
            _remembered.Clear();
        }

        _remembered.Add(topic, found);
        return found;
    }

    private T[] Match(string topic)
    {
        HashSet<T>? matches = null;
        if (_literals.TryGetValue(topic, out var literals))
        {
            matches = new HashSet<T>(literals, ReferenceEqualityComparer.Instance);
        }

        foreach (var (pattern, item) in _globs)
        {
            if (pattern.Matches(topic))
            {
                (matches ??= new HashSet<T>(ReferenceEqualityComparer.Instance)).Add(item);
            }
        }

        return matches is null ? [] : [.. matches];
    }
}
