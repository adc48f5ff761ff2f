namespace Millrace.App.Input;

/// <summary>Options that are given as <c>NAME=VALUE</c> and may be repeated.</summary>
internal static class NamedValues
{
    /// <summary>The pairs, in the order in which they were given.</summary>
    /// <exception cref="UsageException">One is no pair.</exception>
    public static IReadOnlyList<KeyValuePair<string, string>> Read(string option, IEnumerable<string> texts)
    {
        var pairs = new List<KeyValuePair<string, string>>();
        foreach (var text in texts)
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new UsageException($"{option} needs NAME=VALUE, not '{text}'.");
            }

            pairs.Add(new(text[..equals], text[(equals + 1)..]));
        }

        return pairs;
    }
}
