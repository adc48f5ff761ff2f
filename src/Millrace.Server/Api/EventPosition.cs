using System.Globalization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Reads the id of an event of a stream: <c>0:17,1:4,2:-1</c>.</summary>
internal static class EventPosition
{
    /// <summary>The offsets to go on from, by partition; none for an empty id.</summary>
    /// <exception cref="WireFormatException">It is no such id.</exception>
    public static IReadOnlyDictionary<int, long> Parse(string id)
    {
        var next = new Dictionary<int, long>();
        foreach (var pair in id.Length == 0 ? [] : id.Split(','))
        {
            var colon = pair.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0
                || !int.TryParse(pair.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out var partition)
                || !long.TryParse(pair.AsSpan(colon + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var last)
                || last is < -1 or long.MaxValue
                || !next.TryAdd(partition, last + 1))
            {
                throw new WireFormatException("The id of an event of a stream (Last-Event-ID) is a partition, a colon and an offset, with commas between several, such as 0:17,1:4.");
            }
        }

        return next;
    }
}
