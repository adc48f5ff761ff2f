namespace Millrace.Stomp;

/// <summary>The version of the protocol that a connection speaks.</summary>
internal enum StompVersion
{
    /// <summary>Not agreed on yet: only a CONNECT or STOMP frame may come.</summary>
    None,

    /// <summary>1.0: no escapes, no heart-beats, subscriptions by destination.</summary>
    V10,

    /// <summary>1.1: escapes of backslash, line feed and colon; heart-beats; NACK.</summary>
    V11,

    /// <summary>1.2: escapes of carriage return too, lines may end in CR LF, acknowledgement by the <c>ack</c> header.</summary>
    V12,
}

/// <summary>The text forms of versions.</summary>
internal static class StompVersions
{
    /// <summary>All versions, as a header lists them.</summary>
    public const string All = "1.0,1.1,1.2";

    /// <summary>The version as it is written.</summary>
    public static string TextOf(StompVersion version) => version switch
    {
        StompVersion.V10 => "1.0",
        StompVersion.V11 => "1.1",
        StompVersion.V12 => "1.2",
        _ => "",
    };

    /// <summary>The highest version in an <c>accept-version</c> list that is known here; none if there is no such. Without a list a client speaks 1.0.</summary>
    public static StompVersion Negotiate(string? accepted)
    {
        if (accepted is null)
        {
            return StompVersion.V10;
        }

        var best = StompVersion.None;
        foreach (var range in accepted.AsSpan().Split(','))
        {
            var version = accepted.AsSpan()[range].Trim() switch
            {
                "1.0" => StompVersion.V10,
                "1.1" => StompVersion.V11,
                "1.2" => StompVersion.V12,
                _ => StompVersion.None,
            };
            best = version > best ? version : best;
        }

        return best;
    }
}
