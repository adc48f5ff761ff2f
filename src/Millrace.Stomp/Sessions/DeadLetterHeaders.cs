using System.Globalization;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>The headers that say why a message is a dead letter.</summary>
internal static class DeadLetterHeaders
{
    public static void AddTo(List<(string, string)> headers, DeadLetterInfo dead)
    {
        headers.Add(("dead-letter-reason", dead.Reason));
        headers.Add(("dead-letter-attempts", dead.Attempts.ToString(CultureInfo.InvariantCulture)));
        headers.Add(("dead-letter-at", dead.At.ToString("O", CultureInfo.InvariantCulture)));
        if (dead.LastError is { } error)
        {
            headers.Add(("dead-letter-error", error));
        }
    }

    /// <summary>The headers as they stand in a frame.</summary>
    public static byte[] Encode(StompVersion version, DeadLetterInfo dead)
    {
        var headers = new List<(string, string)>();
        AddTo(headers, dead);
        return MessageFrame.Encode(version, [.. headers]);
    }
}
