using System.Globalization;
using System.Text;
using Millrace.Redis.Client;
using Millrace.Redis.Client.Protocol;

namespace Millrace.Redis.Tests.Client;

/// <summary>Replies as text, so that tests can compare them.</summary>
internal static class Replies
{
    /// <summary>Reads all bytes, given in the pieces that <paramref name="cuts"/> make of them.</summary>
    public static List<string> Read(ReadOnlySpan<byte> bytes, RespLimits? limits = null, params ReadOnlySpan<int> cuts)
    {
        var reader = new RespReader(limits ?? RespLimits.Default);
        var read = new List<string>();
        var start = 0;
        foreach (var cut in cuts)
        {
            ReadPiece(reader, bytes[start..cut], read);
            start = cut;
        }

        ReadPiece(reader, bytes[start..], read);
        if (reader.IsInside)
        {
            read.Add("…");
        }

        return read;
    }

    public static string Show(RedisReply reply) => reply.Kind switch
    {
        RedisReplyKind.Null => "null",
        RedisReplyKind.Array => $"[{ShowItems(reply)}]",
        RedisReplyKind.Map => $"{{{ShowItems(reply)}}}",
        RedisReplyKind.Integer => reply.ToInteger().ToString(CultureInfo.InvariantCulture),
        RedisReplyKind.Boolean => reply.ToInteger() == 1 ? "true" : "false",
        RedisReplyKind.Status => "+" + reply.ToText(),
        RedisReplyKind.Error => "-" + reply.ToText(),
        RedisReplyKind.Double => "," + reply.ToText(),
        RedisReplyKind.BigNumber => "(" + reply.ToText(),
        _ => "'" + Encoding.Latin1.GetString(reply.Bytes.Span) + "'",
    };

    private static string ShowItems(RedisReply reply)
    {
        var shown = new List<string>();
        foreach (var item in reply.Items)
        {
            shown.Add(Show(item));
        }

        return string.Join(' ', shown);
    }

    private static void ReadPiece(RespReader reader, ReadOnlySpan<byte> piece, List<string> read)
    {
        // In a buffer of its own that is wiped: nothing of a reply may refer to what it was read from.
        var buffer = piece.ToArray();
        ReadOnlySpan<byte> rest = buffer;
        var replies = new List<(RedisReply Reply, bool IsPush)>();
        while (!rest.IsEmpty && reader.TryRead(ref rest, out var reply, out var isPush))
        {
            replies.Add((reply, isPush));
        }

        Array.Clear(buffer);
        read.AddRange(replies.Select(one => (one.IsPush ? ">" : "") + Show(one.Reply)));
    }
}
