using System.Globalization;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>The heart-beats that were agreed on.</summary>
/// <param name="Send">The longest time in which the broker sends something; zero: none.</param>
/// <param name="Receive">The longest time in which the client sends something; zero: none.</param>
internal readonly record struct HeartBeats(TimeSpan Send, TimeSpan Receive)
{
    /// <summary>The header of CONNECTED: what the broker does, and what it wants.</summary>
    public string Header => string.Create(CultureInfo.InvariantCulture, $"{(long)Send.TotalMilliseconds},{(long)Receive.TotalMilliseconds}");

    /// <summary>
    /// Agrees to what a client says: <c>cx,cy</c>, what it does and what it wants, in milliseconds. The broker can do and wants the same, but nothing shorter than its own shortest.
    /// </summary>
    /// <exception cref="StompFaultException">The header is not two numbers.</exception>
    public static HeartBeats Negotiate(string? header, TimeSpan shortest)
    {
        if (header is null)
        {
            return default;
        }

        var comma = header.IndexOf(',', StringComparison.Ordinal);
        return comma > 0 && Parse(header.AsSpan(0, comma)) is { } does && Parse(header.AsSpan(comma + 1)) is { } wants
            ? new HeartBeats(AtLeast(wants, shortest), AtLeast(does, shortest))
            : throw new StompFaultException("malformed frame", $"The heart-beat header must be two numbers of milliseconds with a comma between, not '{Destination.Shown(header)}'.");
    }

    private static TimeSpan? Parse(ReadOnlySpan<char> text) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) ? TimeSpan.FromMilliseconds(milliseconds) : null;

    private static TimeSpan AtLeast(TimeSpan time, TimeSpan shortest) => time == TimeSpan.Zero || time > shortest ? time : shortest;
}
