namespace Millrace.Configuration;

/// <summary>Finds what somebody who misspelt a name has probably meant.</summary>
internal static class NearestName
{
    /// <summary>The candidate that differs least, if it differs by at most a third of its letters (but one at least); otherwise null. Case does not count.</summary>
    public static string? Of(string name, IEnumerable<string> candidates)
    {
        string? nearest = null;
        var least = int.MaxValue;
        foreach (var candidate in candidates)
        {
            // What differs too much in length is not worth comparing: a name may come from anybody, and be megabytes long.
            var most = Math.Max(1, candidate.Length / 3);
            if (Math.Abs(name.Length - candidate.Length) > most)
            {
                continue;
            }

            var distance = Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant());
            if (distance < least && distance <= most)
            {
                (nearest, least) = (candidate, distance);
            }
        }

        return nearest;
    }

    // Levenshtein with one row: how many letters must be put in, taken out or replaced.
    private static int Distance(string left, string right)
    {
        var row = new int[right.Length + 1];
        for (var j = 0; j <= right.Length; j++)
        {
            row[j] = j;
        }

        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (left[i - 1] == right[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[right.Length];
    }
}
