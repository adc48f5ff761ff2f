namespace Millrace.Server.Security;

/// <summary>
/// Keys of state that Millrace keeps for itself: they begin with a <c>!</c> and a word, as <c>!job!</c> does. Whoever allows all keys does not mean those: a pattern reaches them only if it names
/// the word, as <c>!job!*</c> does.
/// </summary>
internal static class ReservedKeys
{
    private const char Mark = '!';

    /// <summary>Whether a pattern that matches a key, or covers a narrower pattern, was meant to.</summary>
    /// <param name="pattern">The pattern of a role.</param>
    /// <param name="key">The key, or the narrower pattern.</param>
    public static bool MayMean(string pattern, string key)
    {
        if (!key.StartsWith(Mark))
        {
            return true;
        }

        var end = key.IndexOf(Mark, 1);
        return pattern.StartsWith(end < 0 ? key : key[..(end + 1)], StringComparison.Ordinal);
    }
}
