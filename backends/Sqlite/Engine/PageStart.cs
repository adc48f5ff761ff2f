using System.Text;

namespace Millrace.Sqlite.Engine;

/// <summary>Where a page of names begins, so that one bound leads the search to it.</summary>
internal static class PageStart
{
    /// <summary>The later of two names in the order of their bytes, which is SQLite's and not that of UTF-16.</summary>
    public static string Of(string prefix, string after) =>
        Encoding.UTF8.GetBytes(after).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(prefix)) > 0 ? after : prefix;
}
