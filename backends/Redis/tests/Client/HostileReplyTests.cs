using System.Globalization;
using System.Text;
using Millrace.Redis.Client.Protocol;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>
/// Random replies, whole, damaged and cut anywhere: what is whole is read as it was written, however it is cut; what is damaged is refused or read as something else, alike for every
/// way to cut it, and never takes the reader down. More of them with MILLRACE_FULL=1; MILLRACE_SEED replays.
/// </summary>
public sealed class HostileReplyTests
{
    private const int Few = 3_000;
    private const int Many = 300_000;

    private static readonly RespLimits Limits = new() { MaxBulkBytes = 10_000, MaxItems = 10_000, MaxDepth = 16, MaxReplyBytes = 100_000, MaxLineBytes = 1_000 };

    private static int Rounds => TestScale.IsFull ? Many : Few;

    [Fact]
    public void Replies_CutAtRandom_ReadAsTheyWereWritten()
    {
        var random = new Random(TestScale.Seed());
        for (var round = 0; round < Rounds; round++)
        {
            var bytes = new StringBuilder();
            var expected = new List<string>();
            for (var i = random.Next(1, 5); i > 0; i--)
            {
                expected.Add(Write(random, bytes, 0));
            }

            var text = Encoding.Latin1.GetBytes(bytes.ToString());
            Assert.Equal(expected, Replies.Read(text, Limits, Cuts(random, text.Length)));
        }
    }

    [Fact]
    public void DamagedReplies_AreReadAlike_HoweverTheyAreCut()
    {
        var random = new Random(TestScale.Seed());
        for (var round = 0; round < Rounds; round++)
        {
            var bytes = new StringBuilder();
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                Write(random, bytes, 0);
            }

            var text = Damage(random, Encoding.Latin1.GetBytes(bytes.ToString()));
            Assert.Equal(Outcome(text, []), Outcome(text, Cuts(random, text.Length)));
        }
    }

    /// <summary>What is read, up to the fault. A fault may be seen earlier or later depending on where the bytes are cut, but what is whole before it is the same.</summary>
    private static List<string> Outcome(byte[] bytes, int[] cuts)
    {
        var reader = new RespReader(Limits);
        var read = new List<string>();
        var start = 0;
        foreach (var end in cuts.Append(bytes.Length))
        {
            ReadOnlySpan<byte> rest = bytes.AsSpan(start, end - start);
            start = end;
            try
            {
                while (!rest.IsEmpty && reader.TryRead(ref rest, out var reply, out var isPush))
                {
                    read.Add((isPush ? ">" : "") + Replies.Show(reply));
                }
            }
            catch (RespException)
            {
                read.Add("refused");
                return read;
            }
        }

        read.Add(reader.IsInside ? "…" : "");
        return read;
    }

    private static int[] Cuts(Random random, int length)
    {
        var cuts = new int[random.Next(0, 8)];
        for (var i = 0; i < cuts.Length; i++)
        {
            cuts[i] = random.Next(length + 1);
        }

        Array.Sort(cuts);
        return cuts;
    }

    private static byte[] Damage(Random random, byte[] bytes)
    {
        var damaged = bytes.ToList();
        for (var i = random.Next(1, 4); i > 0 && damaged.Count > 0; i--)
        {
            var at = random.Next(damaged.Count);
            switch (random.Next(4))
            {
                case 0:
                    damaged[at] = (byte)random.Next(256);
                    break;
                case 1:
                    damaged.RemoveAt(at);
                    break;
                case 2:
                    damaged.Insert(at, "+-:$*_#,(=!~>%|\r\n0123456789?"u8[random.Next(28)]);
                    break;
                default:
                    damaged.RemoveRange(at, damaged.Count - at);
                    break;
            }
        }

        return [.. damaged];
    }

    private static string Write(Random random, StringBuilder bytes, int depth)
    {
        switch (random.Next(depth < 4 ? 10 : 7))
        {
            case 0:
                bytes.Append("+OK\r\n");
                return "+OK";
            case 1:
                var number = random.NextInt64(long.MinValue, long.MaxValue).ToString(CultureInfo.InvariantCulture);
                bytes.Append(CultureInfo.InvariantCulture, $":{number}\r\n");
                return number;
            case 2:
                bytes.Append(random.Next(2) == 0 ? "$-1\r\n" : "_\r\n");
                return "null";
            case 3:
                bytes.Append("#t\r\n");
                return "true";
            case 4:
                bytes.Append("-ERR no\r\n");
                return "-ERR no";
            case 5 or 6:
                var text = string.Concat(Enumerable.Range(0, random.Next(0, 40)).Select(_ => (char)random.Next(256)));
                bytes.Append(CultureInfo.InvariantCulture, $"${text.Length}\r\n{text}\r\n");
                return $"'{text}'";
            case 7:
                // Attributes belong to what follows and are dropped.
                bytes.Append("|1\r\n");
                Write(random, bytes, depth + 1);
                Write(random, bytes, depth + 1);
                return Write(random, bytes, depth);
            case 8:
                return WriteItems(random, bytes, depth, '%');
            default:
                return WriteItems(random, bytes, depth, depth == 0 && random.Next(4) == 0 ? '>' : '*');
        }
    }

    private static string WriteItems(Random random, StringBuilder bytes, int depth, char type)
    {
        var count = random.Next(0, 5);
        bytes.Append(CultureInfo.InvariantCulture, $"{type}{count}\r\n");
        var items = Enumerable.Range(0, type == '%' ? count * 2 : count).Select(_ => Write(random, bytes, depth + 1)).ToList();
        return type == '%' ? $"{{{string.Join(' ', items)}}}" : $"{(type == '>' ? ">" : "")}[{string.Join(' ', items)}]";
    }
}
