namespace Millrace.Stomp.Sessions;

/// <summary>How a subscription acknowledges.</summary>
internal enum AckMode
{
    /// <summary>Not at all: a message is gone when it is taken for sending.</summary>
    Auto,

    /// <summary>An ACK is for a message and all before it.</summary>
    Client,

    /// <summary>An ACK is for one message.</summary>
    ClientIndividual,
}

/// <summary>The text forms of acknowledgement modes.</summary>
internal static class AckModes
{
    /// <summary>The mode as it is written.</summary>
    public static string TextOf(AckMode mode) => mode switch
    {
        AckMode.Client => "client",
        AckMode.ClientIndividual => "client-individual",
        _ => "auto",
    };

    /// <summary>Reads an <c>ack</c> header; without one it is auto. Null for an unknown word.</summary>
    public static AckMode? Parse(string? text) => text switch
    {
        null or "auto" => AckMode.Auto,
        "client" => AckMode.Client,
        "client-individual" => AckMode.ClientIndividual,
        _ => null,
    };
}
