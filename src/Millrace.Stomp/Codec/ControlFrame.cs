using System.Buffers;
using System.Text;

namespace Millrace.Stomp.Codec;

/// <summary>Builds the frames of a broker that carry no message: CONNECTED, RECEIPT, ERROR. Not safe for concurrent use.</summary>
internal sealed class ControlFrame
{
    private readonly ArrayBufferWriter<byte> _bytes = new(256);
    private readonly StompVersion _version;
    private readonly bool _isUnescaped;

    private ControlFrame(StompCommand command, StompVersion version)
    {
        _version = version;
        _isUnescaped = StompCommands.IsUnescaped(command);
        _bytes.Write(StompCommands.BytesOf(command));
        _bytes.Write("\n"u8);
    }

    /// <summary>A heart-beat.</summary>
    public static readonly byte[] HeartBeat = "\n"u8.ToArray();

    /// <summary>Begins a frame.</summary>
    public static ControlFrame Begin(StompCommand command, StompVersion version) => new(command, version);

    /// <summary>The answer to a frame that asked for a receipt.</summary>
    public static byte[] Receipt(string receiptId, StompVersion version) => Begin(StompCommand.Receipt, version).Add("receipt-id", receiptId).End();

    /// <summary>The frame that tells a client of a fault.</summary>
    public static byte[] Error(StompFault fault, StompVersion version)
    {
        var body = Encoding.UTF8.GetBytes(fault.Detail);
        var frame = Begin(StompCommand.Error, version).Add("message", fault.Summary);
        if (fault.ReceiptId is { } receipt)
        {
            frame.Add("receipt-id", receipt);
        }

        return frame
            .Add("version", version == StompVersion.None ? StompVersions.All : StompVersions.TextOf(version))
            .Add("content-type", "text/plain")
            .Add("content-length", body.Length.ToString(System.Globalization.CultureInfo.InvariantCulture))
            .End(body);
    }

    /// <summary>Adds a header.</summary>
    public ControlFrame Add(string name, string value)
    {
        WriteText(name);
        _bytes.Write(":"u8);
        WriteText(value);
        _bytes.Write("\n"u8);
        return this;
    }

    /// <summary>The whole frame.</summary>
    public byte[] End(ReadOnlySpan<byte> body = default)
    {
        _bytes.Write("\n"u8);
        _bytes.Write(body);
        _bytes.Write("\0"u8);
        return _bytes.WrittenSpan.ToArray();
    }

    private void WriteText(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        var span = _bytes.GetSpan(2 * utf8.Length);

        // Before a version is agreed on, and where nothing is escaped, what would end the line becomes a blank, as in 1.0.
        var version = _isUnescaped || _version == StompVersion.None ? StompVersion.V10 : _version;
        _bytes.Advance(HeaderEscape.Write(utf8, version, span));
    }
}
