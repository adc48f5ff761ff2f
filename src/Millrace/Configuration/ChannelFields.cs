using System.Globalization;

namespace Millrace.Configuration;

/// <summary>The fields of channels that are not spelled as the options of their backends: <c>TTL</c> in seconds, and <c>KEY_PREFIX</c> for each backend.</summary>
internal static class ChannelFields
{
    public const string Shape = "channel";

    private const string TimeToLive = "TTL";
    private const string KeyPrefix = "KEYPREFIX";
    private const string HistoryMilliseconds = "HISTORYTTLMS";
    private const long LongestSeconds = 365L * 24 * 60 * 60;

    /// <summary>The option of the backend that a field means, with its value; null for one that is true without it.</summary>
    /// <param name="field">The field, in capitals and without underscores.</param>
    /// <param name="value">Its value.</param>
    /// <param name="key">The configuration key, for errors.</param>
    /// <param name="scheme">The backend.</param>
    /// <exception cref="MillraceConfigurationException">The value cannot be.</exception>
    public static (string Name, string Value)? ToOption(string field, string value, string key, string scheme) => field switch
    {
        TimeToLive => (HistoryMilliseconds, Milliseconds(value, key)),

        // A channel in memory is of one instance and one process: there is nobody to be kept apart from.
        KeyPrefix when scheme == "memory" => null,
        _ => (field, value),
    };

    private static string Milliseconds(string value, string key) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= LongestSeconds
            ? (seconds * 1000).ToString(CultureInfo.InvariantCulture)
            : throw new MillraceConfigurationException(string.Create(
                CultureInfo.InvariantCulture,
                $"{key} is '{value}', which is no whole number of seconds from 0 to {LongestSeconds}: for so long a channel keeps its messages for subscribers that resume."));
}
