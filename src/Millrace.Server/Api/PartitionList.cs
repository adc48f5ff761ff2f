using System.Globalization;
using Millrace.Server.Errors;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Reads which partitions of a stream are meant: <c>0,2,5-7</c>.</summary>
internal static class PartitionList
{
    /// <summary>The partitions, each once, in order; all when nothing is said.</summary>
    /// <exception cref="WireFormatException">It is no such list, or too many.</exception>
    /// <exception cref="PartitionNotFoundException">The stream has fewer.</exception>
    public static IReadOnlyList<int> Parse(string? text, string stream, int partitions)
    {
        var wanted = new SortedSet<int>();
        foreach (var part in (text ?? $"0-{(partitions - 1).ToString(CultureInfo.InvariantCulture)}").Split(','))
        {
            var ends = part.Split('-');
            if (ends.Length > 2 || !TryRead(ends[0], out var first) || !TryRead(ends[^1], out var last) || last < first)
            {
                throw new WireFormatException("The parameter 'partitions' is a list of numbers and ranges such as 0,2,5-7.");
            }

            if (last >= partitions)
            {
                throw new PartitionNotFoundException(stream, last, partitions);
            }

            wanted.UnionWith(Enumerable.Range(first, last - first + 1));
        }

        return wanted.Count <= RecordFollowing.MostPartitions
            ? [.. wanted]
            : throw new WireFormatException($"One request follows at most {RecordFollowing.MostPartitions} partitions: share {wanted.Count} among several by the parameter 'partitions'.");
    }

    private static bool TryRead(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
