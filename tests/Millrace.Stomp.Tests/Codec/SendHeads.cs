using System.Text;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>Heads of SEND frames that differ in little, and frames of them.</summary>
internal static class SendHeads
{
    /// <summary>The longest head that the parser knows again.</summary>
    private const int LongestKept = 1024;

    public static readonly string[] All =
    [
        "SEND\ndestination:/queue/a\n\n",
        "SEND\ndestination:/queue/b\n\n",
        "SEND\ndestination:/queue/a\nreceipt:1\n\n",
        "SEND\ndestination:/queue/a\nreceipt:2\n\n",
        "SEND\r\ndestination:/queue/a\r\n\r\n",
        "SEND\ndestination:/queue/a\ncontent-length:3\n\n",
        "SEND\ndestination:/queue/a\ncontent-length:4\n\n",
        "SEND\ndestination:/queue/a\nurl:http\\c//a\ncontent-length:4\n\n",
        "SEND\n\n",
        $"SEND\nlong:{new string('x', LongestKept - "SEND\nlong:\n\n".Length)}\n\n",
        $"SEND\nlonger:{new string('x', LongestKept + 1 - "SEND\nlonger:\n\n".Length)}\n\n",
    ];

    /// <summary>The frame of a head with a random body; an ACK for a number that is none.</summary>
    public static byte[] FrameOf(int head, Random random)
    {
        if (head == All.Length)
        {
            return "ACK\nid:1\n\n\0"u8.ToArray();
        }

        var body = All[head].Contains("length:3", StringComparison.Ordinal) ? "a\0b" : All[head].Contains("length:4", StringComparison.Ordinal) ? "a\0\0b" : new string('x', random.Next(9));
        return Encoding.UTF8.GetBytes($"{All[head]}{body}\0{(random.Next(4) == 0 ? "\n" : "")}");
    }

    /// <summary>How many of the frames have the head of a SEND that is the frame before.</summary>
    public static int CountRepeated(int[] heads) =>
        Enumerable.Range(1, Math.Max(heads.Length - 1, 0)).Count(i => heads[i] == heads[i - 1] && heads[i] < All.Length && All[heads[i]].Length <= LongestKept);
}
