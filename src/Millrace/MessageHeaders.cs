using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Millrace;

/// <summary>
/// The headers of a message: an immutable set of names and text values, in the order in which they were given.
/// Names are compared ordinally, case included. Safe to share between threads and messages.
/// </summary>
public sealed class MessageHeaders : IReadOnlyDictionary<string, string>
{
    private readonly KeyValuePair<string, string>[] _entries;

    private MessageHeaders(KeyValuePair<string, string>[] entries) => _entries = entries;

    /// <summary>No headers.</summary>
    public static MessageHeaders Empty { get; } = new([]);

    /// <summary>Takes a copy of <paramref name="entries"/>; the first of two entries with one name wins.</summary>
    public static MessageHeaders Create(params IEnumerable<KeyValuePair<string, string>> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        var kept = new List<KeyValuePair<string, string>>();
        foreach (var entry in entries)
        {
            ArgumentException.ThrowIfNullOrEmpty(entry.Key, nameof(entries));
            ArgumentNullException.ThrowIfNull(entry.Value, nameof(entries));
            if (!kept.Exists(other => string.Equals(other.Key, entry.Key, StringComparison.Ordinal)))
            {
                kept.Add(entry);
            }
        }

        return kept.Count == 0 ? Empty : new MessageHeaders([.. kept]);
    }

    /// <summary>Headers from names and values: <c>MessageHeaders.Of(("tenant", "acme"), ("source", "web"))</c>; the first of two with one name wins.</summary>
    public static MessageHeaders Of(params ReadOnlySpan<(string Name, string Value)> headers)
    {
        var entries = new KeyValuePair<string, string>[headers.Length];
        for (var i = 0; i < headers.Length; i++)
        {
            entries[i] = new(headers[i].Name, headers[i].Value);
        }

        return Create(entries);
    }

    /// <summary>The number of headers.</summary>
    public int Count => _entries.Length;

    /// <summary>The headers as a span, for code that must not allocate.</summary>
    public ReadOnlySpan<KeyValuePair<string, string>> AsSpan() => _entries;

    /// <summary>The value of the header <paramref name="key"/>.</summary>
    /// <exception cref="KeyNotFoundException">There is no such header.</exception>
    public string this[string key] =>
        TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"The message has no header '{key}'.");

    /// <summary>The names, in order.</summary>
    public IEnumerable<string> Keys => Array.ConvertAll(_entries, entry => entry.Key);

    /// <summary>The values, in the order of the names.</summary>
    public IEnumerable<string> Values => Array.ConvertAll(_entries, entry => entry.Value);

    /// <inheritdoc/>
    public bool ContainsKey(string key) => TryGetValue(key, out _);

    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out string value)
    {
        foreach (var entry in _entries)
        {
            if (string.Equals(entry.Key, key, StringComparison.Ordinal))
            {
                value = entry.Value;
                return true;
            }
        }

        value = null;
        return false;
    }

    /// <summary>These headers with <paramref name="name"/> set to <paramref name="value"/>, replacing an earlier value in its place.</summary>
    public MessageHeaders With(string name, string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(value);
        var index = Array.FindIndex(_entries, entry => string.Equals(entry.Key, name, StringComparison.Ordinal));
        var entries = new KeyValuePair<string, string>[index < 0 ? _entries.Length + 1 : _entries.Length];
        _entries.CopyTo(entries, 0);
        entries[index < 0 ? _entries.Length : index] = new(name, value);
        return new MessageHeaders(entries);
    }

    /// <summary>These headers without <paramref name="name"/>.</summary>
    public MessageHeaders Without(string name)
    {
        var entries = Array.FindAll(_entries, entry => !string.Equals(entry.Key, name, StringComparison.Ordinal));
        return entries.Length == _entries.Length ? this : entries.Length == 0 ? Empty : new MessageHeaders(entries);
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => ((IEnumerable<KeyValuePair<string, string>>)_entries).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
