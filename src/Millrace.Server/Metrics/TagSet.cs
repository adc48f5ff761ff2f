using System.Globalization;

namespace Millrace.Server.Metrics;

/// <summary>The tags of one series of measurements. Immutable; equal when names and values are, in order.</summary>
internal sealed class TagSet(KeyValuePair<string, object?>[] tags)
{
    public static TagSet Empty { get; } = new([]);

    /// <summary>The tags, as labels.</summary>
    public (string Name, string Value)[] Labels { get; } =
        Array.ConvertAll(tags, tag => (PrometheusWriter.NameOf(tag.Key), TextOf(tag.Value)));

    /// <summary>Finds series by the tags of a measurement without making an object for each.</summary>
    public sealed class Comparer : IEqualityComparer<TagSet>, IAlternateEqualityComparer<ReadOnlySpan<KeyValuePair<string, object?>>, TagSet>
    {
        public static Comparer Instance { get; } = new();

        public bool Equals(TagSet? x, TagSet? y) => ReferenceEquals(x, y) || (x is not null && y is not null && Equals(x.Tags, y));

        public int GetHashCode(TagSet obj) => GetHashCode(obj.Tags);

        public bool Equals(ReadOnlySpan<KeyValuePair<string, object?>> alternate, TagSet other)
        {
            var known = other.Tags;
            if (alternate.Length != known.Length)
            {
                return false;
            }

            for (var i = 0; i < known.Length; i++)
            {
                if (alternate[i].Key != known[i].Key || !Equals(alternate[i].Value, known[i].Value))
                {
                    return false;
                }
            }

            return true;
        }

        public int GetHashCode(ReadOnlySpan<KeyValuePair<string, object?>> alternate)
        {
            var hash = default(HashCode);
            foreach (var (name, value) in alternate)
            {
                hash.Add(name);
                hash.Add(value);
            }

            return hash.ToHashCode();
        }

        public TagSet Create(ReadOnlySpan<KeyValuePair<string, object?>> alternate) => alternate.IsEmpty ? Empty : new TagSet(alternate.ToArray());
    }

    private ReadOnlySpan<KeyValuePair<string, object?>> Tags => tags;

    private static string TextOf(object? value) => value switch
    {
        true => "true",
        false => "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}
