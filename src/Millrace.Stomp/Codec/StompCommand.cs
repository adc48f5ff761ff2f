namespace Millrace.Stomp.Codec;

/// <summary>The commands of all three versions, those of clients first.</summary>
internal enum StompCommand
{
    Unknown,
    Connect,
    Stomp,
    Send,
    Subscribe,
    Unsubscribe,
    Ack,
    Nack,
    Begin,
    Commit,
    Abort,
    Disconnect,
    Connected,
    Message,
    Receipt,
    Error,
}

/// <summary>Commands and their bytes.</summary>
internal static class StompCommands
{
    /// <summary>The longest command that exists.</summary>
    public const int LongestBytes = 11;

    /// <summary>The command that a line spells; case counts.</summary>
    public static StompCommand Find(ReadOnlySpan<byte> line) => line.Length switch
    {
        3 when line.SequenceEqual("ACK"u8) => StompCommand.Ack,
        4 when line.SequenceEqual("SEND"u8) => StompCommand.Send,
        4 when line.SequenceEqual("NACK"u8) => StompCommand.Nack,
        5 when line.SequenceEqual("BEGIN"u8) => StompCommand.Begin,
        5 when line.SequenceEqual("ABORT"u8) => StompCommand.Abort,
        5 when line.SequenceEqual("STOMP"u8) => StompCommand.Stomp,
        5 when line.SequenceEqual("ERROR"u8) => StompCommand.Error,
        6 when line.SequenceEqual("COMMIT"u8) => StompCommand.Commit,
        7 when line.SequenceEqual("CONNECT"u8) => StompCommand.Connect,
        7 when line.SequenceEqual("MESSAGE"u8) => StompCommand.Message,
        7 when line.SequenceEqual("RECEIPT"u8) => StompCommand.Receipt,
        9 when line.SequenceEqual("SUBSCRIBE"u8) => StompCommand.Subscribe,
        9 when line.SequenceEqual("CONNECTED"u8) => StompCommand.Connected,
        10 when line.SequenceEqual("DISCONNECT"u8) => StompCommand.Disconnect,
        11 when line.SequenceEqual("UNSUBSCRIBE"u8) => StompCommand.Unsubscribe,
        _ => StompCommand.Unknown,
    };

    /// <summary>The command as it is written.</summary>
    public static ReadOnlySpan<byte> BytesOf(StompCommand command) => command switch
    {
        StompCommand.Connect => "CONNECT"u8,
        StompCommand.Stomp => "STOMP"u8,
        StompCommand.Send => "SEND"u8,
        StompCommand.Subscribe => "SUBSCRIBE"u8,
        StompCommand.Unsubscribe => "UNSUBSCRIBE"u8,
        StompCommand.Ack => "ACK"u8,
        StompCommand.Nack => "NACK"u8,
        StompCommand.Begin => "BEGIN"u8,
        StompCommand.Commit => "COMMIT"u8,
        StompCommand.Abort => "ABORT"u8,
        StompCommand.Disconnect => "DISCONNECT"u8,
        StompCommand.Connected => "CONNECTED"u8,
        StompCommand.Message => "MESSAGE"u8,
        StompCommand.Receipt => "RECEIPT"u8,
        StompCommand.Error => "ERROR"u8,
        _ => throw new ArgumentOutOfRangeException(nameof(command), command, "Not a command that is written."),
    };

    /// <summary>The command as text, for messages to people.</summary>
    public static string TextOf(StompCommand command) => command.ToString().ToUpperInvariant();

    /// <summary>Whether frames of this command may have a body by 1.1 and 1.2.</summary>
    public static bool MayHaveBody(StompCommand command) => command is StompCommand.Send or StompCommand.Message or StompCommand.Error;

    /// <summary>Whether headers of these frames are never escaped, so that 1.0 can read them. STOMP frames, which 1.0 does not know, are not among them.</summary>
    public static bool IsUnescaped(StompCommand command) => command is StompCommand.Connect or StompCommand.Connected;
}
