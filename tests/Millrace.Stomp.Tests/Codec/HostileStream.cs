using System.Text;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>Random streams: frames of all versions that follow the rules, and then some damage.</summary>
internal sealed class HostileStream
{
    private static readonly StompVersion[] Versions = [StompVersion.V10, StompVersion.V11, StompVersion.V12];

    private static readonly string[] Commands = ["SEND", "SEND", "SEND", "SEND", "ACK", "ACK", "SUBSCRIBE", "UNSUBSCRIBE", "NACK", "BEGIN", "COMMIT", "DISCONNECT", "MESSAGE", "STOMP", "CONNECT", "send", "SENDING"];

    private static readonly string[] Names = ["destination", "destination", "receipt", "id", "content-type", "persistent", "n", "na\\cme", "x-trace", "\u00fc"];

    private static readonly string[] Values = ["/queue/a", "/queue/a", "/queue/b", "m-1", "", "true", " blank ", "a:b", "a\\cb\\\\", "\\n", "\u20ac", "0"];

    private static readonly byte[][] Damage =
    [
        [0], [0, 0], "\r"u8.ToArray(), "\n"u8.ToArray(), "\r\n"u8.ToArray(), "\n\n"u8.ToArray(), ":"u8.ToArray(), "\\"u8.ToArray(), "\\r"u8.ToArray(), "\\t"u8.ToArray(), [0xff], [0xc3],
        "\ncontent-length:3\n"u8.ToArray(), "\ncontent-length:99999999999999999999\n"u8.ToArray(), "content-length:-1\n"u8.ToArray(), "\nreceipt:r\\c\n"u8.ToArray(),
        Encoding.ASCII.GetBytes(new string('9', 30)), Encoding.ASCII.GetBytes(new string('x', 260)), Encoding.ASCII.GetBytes(new string('\n', 50)),
        "\0CONNECT\n\n\0"u8.ToArray(), "a:b\na:b\na:b\na:b\na:b\na:b\na:b\na:b\n"u8.ToArray(),
    ];

    private readonly Random _random;
    private readonly List<byte> _bytes = new(4096);

    public HostileStream(Random random)
    {
        _random = random;
    }

    /// <summary>The version to read the stream with; none if it begins with a CONNECT.</summary>
    public StompVersion Version { get; private set; }

    /// <summary>The bytes.</summary>
    public byte[] Bytes { get; private set; } = [];

    /// <summary>Where to cut the stream, in order.</summary>
    public int[] Cuts { get; private set; } = [];

    /// <summary>Whether it was left as it should be.</summary>
    public bool IsWhole { get; private set; }

    /// <summary>Makes the next stream; returns how many frames were written to it.</summary>
    public int Next()
    {
        _bytes.Clear();
        var version = Versions[_random.Next(Versions.Length)];
        Version = version;
        var frames = _random.Next(1, 8);
        if (_random.Next(4) == 0)
        {
            Version = StompVersion.None;
            AddConnect(version);
        }

        for (var i = 0; i < frames; i++)
        {
            AddFrame(version);
        }

        IsWhole = _random.Next(2) == 0;
        for (var damages = IsWhole ? 0 : _random.Next(1, 4); damages > 0; damages--)
        {
            DoDamage();
        }

        Bytes = [.. _bytes];
        Cuts = new int[_random.Next(16) == 0 ? Bytes.Length : _random.Next(5)];
        for (var i = 0; i < Cuts.Length; i++)
        {
            Cuts[i] = Cuts.Length == Bytes.Length ? i : _random.Next(Bytes.Length + 1);
        }

        Array.Sort(Cuts);
        return frames;
    }

    private void AddConnect(StompVersion version)
    {
        var accepts = version == StompVersion.V10 ? "" : $"accept-version:1.0,{(version == StompVersion.V11 ? "1.1" : "1.1,1.2")}\n";
        Add($"{(_random.Next(3) == 0 ? "STOMP" : "CONNECT")}\n{accepts}host: h\n\n\0");
    }

    private void AddFrame(StompVersion version)
    {
        var lineEnd = _random.Next(4) == 0 ? "\r\n" : "\n";
        var command = Commands[_random.Next(_random.Next(8) == 0 ? Commands.Length : Commands.Length - 4)];
        Add(command);
        Add(lineEnd);
        for (var headers = _random.Next(6); headers > 0; headers--)
        {
            Add(Names[_random.Next(Names.Length)]);
            Add(":");
            Add(Values[_random.Next(version == StompVersion.V11 ? Values.Length - 2 : Values.Length)]);
            Add(lineEnd);
        }

        var hasBody = command is "SEND" or "MESSAGE" || (version == StompVersion.V10 && _random.Next(4) == 0);
        var body = new byte[hasBody ? _random.Next(40) : 0];
        _random.NextBytes(body);
        if (_random.Next(2) == 0 && lineEnd == "\n")
        {
            Add($"content-length:{body.Length}\n");
        }
        else
        {
            body.AsSpan().Replace((byte)0, (byte)1);
        }

        Add(lineEnd);
        _bytes.AddRange(body);
        _bytes.Add(0);
        if (_random.Next(3) == 0)
        {
            Add(lineEnd);
        }
    }

    private void DoDamage()
    {
        var at = _random.Next(_bytes.Count + 1);
        var length = Math.Min(_random.Next(1, 30), _bytes.Count - at);
        switch (_random.Next(7))
        {
            case 0 when length > 0:
                _bytes[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1:
                _bytes.RemoveRange(at, length);
                break;
            case 2:
                _bytes.InsertRange(at, _bytes.GetRange(at, length));
                break;
            case 3:
                _bytes.RemoveRange(at, _bytes.Count - at);
                break;
            case 4:
                DuplicateLine(at);
                break;
            default:
                _bytes.InsertRange(at, Damage[_random.Next(Damage.Length)]);
                break;
        }
    }

    private void DuplicateLine(int at)
    {
        var start = at == 0 ? 0 : _bytes.LastIndexOf((byte)'\n', at - 1) + 1;
        var end = _bytes.IndexOf((byte)'\n', start);
        if (end >= 0)
        {
            _bytes.InsertRange(start, _bytes.GetRange(start, end + 1 - start));
        }
    }

    private void Add(string text)
    {
        Span<byte> utf8 = stackalloc byte[128];
        _bytes.AddRange(utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
    }
}
