using FsCheck;
using FsCheck.Fluent;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>A frame to write, and where to cut what is written.</summary>
internal sealed record WrittenFrame(StompVersion Version, string Command, IReadOnlyList<(string Name, string Value)> Headers, byte[] Body, string LineEnd, string After)
{
    public byte[] ToBytes() => FrameWriter.Write(Version, Command, Headers, Body, LineEnd, After);

    public override string ToString() => $"{Version} {Command} [{string.Join(", ", Headers)}] {Convert.ToHexString(Body)} end {LineEnd.Length} after {After.Length}";
}

/// <summary>Random frames of all versions that follow the rules.</summary>
internal static class FrameGenerators
{
    private static readonly string[] Commands = ["SEND", "MESSAGE", "ERROR", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT", "CONNECT", "STOMP", "CONNECTED", "RECEIPT"];

    private static readonly string[] KnownNames = ["destination", "receipt", "id", "transaction", "content-type", "message-id", "x-delay", "accept-version"];

    private static readonly string[] Letters = ["a", "b", "Z", "0", "-", " ", "\t", ":", "\\", "\n", "\r", "n", "c", "\u00e9", "\u20ac", "\U0001F600"];

    /// <summary>Frames for one connection: all of one version.</summary>
    public static Arbitrary<WrittenFrame[]> Streams { get; } = Arb.From(
        from version in Gen.Elements(StompVersion.V10, StompVersion.V11, StompVersion.V12)
        from frames in Frame(version).ArrayOf()
        select frames.Length > 20 ? frames[..20] : frames,
        Shrink);

    private static Gen<WrittenFrame> Frame(StompVersion version) =>
        from command in Gen.Elements(Commands)
        from lineEnd in version == StompVersion.V11 ? Gen.Constant("\n") : Gen.Elements("\n", "\r\n")
        from after in Gen.Elements("", "", "\n", "\n\n", "\r\n")
        from names in Gen.OneOf(Gen.Elements(KnownNames), Text(1).Select(name => Allowed(name, version, command, isName: true))).ArrayOf()
        from values in Text(0).ArrayOf(names.Length)
        from bytes in Gen.Frequency((3, Gen.Choose(0, 255)), (1, Gen.Constant(0))).Select(b => (byte)b).ArrayOf()
        from hasLength in Gen.Elements(true, false)
        let body = command is "SEND" or "MESSAGE" or "ERROR" ? bytes : []
        let headers = names.Zip(values, (name, value) => (name, Allowed(value, version, command, isName: false)))
        select new WrittenFrame(
            version, command, hasLength ? [("content-length", $"{body.Length}"), .. headers] : [.. headers], hasLength ? body : body.Where(b => b != 0).ToArray(), lineEnd, after);

    private static Gen<string> Text(int shortest) =>
        from letters in Gen.Elements(Letters).ArrayOf()
        let text = string.Concat(letters)
        select text.Length < shortest ? "x" : text;

    // What has no escape cannot be written.
    private static string Allowed(string text, StompVersion version, string command, bool isName)
    {
        var isEscaped = version != StompVersion.V10 && command is not ("CONNECT" or "CONNECTED");
        text = isEscaped ? text : text.Replace("\n", "", StringComparison.Ordinal);
        text = isEscaped || !isName ? text : text.Replace(":", "", StringComparison.Ordinal);

        // A CR before the line's end would be part of it, and 1.0 trims blanks.
        var isTrimmed = version == StompVersion.V10 || command is "CONNECT" or "STOMP";
        text = isTrimmed ? text.Replace("\r", "", StringComparison.Ordinal).Trim(' ', '\t') : text;
        text = version == StompVersion.V12 && command == "CONNECTED" ? text.TrimEnd('\r') : text;
        return text.Length == 0 && isName ? "x" : text;
    }

    private static IEnumerable<WrittenFrame[]> Shrink(WrittenFrame[] frames)
    {
        for (var i = 0; i < frames.Length; i++)
        {
            yield return [.. frames[..i], .. frames[(i + 1)..]];
            for (var header = 0; header < frames[i].Headers.Count; header++)
            {
                if (frames[i].Headers[header].Name != "content-length")
                {
                    yield return [.. frames[..i], frames[i] with { Headers = frames[i].Headers.Where((_, at) => at != header).ToArray() }, .. frames[(i + 1)..]];
                }
            }
        }
    }
}
