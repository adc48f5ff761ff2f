using System.Text;

namespace Millrace.Stomp.Codec;

/// <summary>
/// A frame as it was read: a view into the parser's window, valid until <see cref="StompParser.Compact"/>. One object is used for frame after frame. Not safe for concurrent use.
/// </summary>
internal sealed class StompFrame
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // Where each known header stands, plus one; the first of two with one name wins.
    private readonly ushort[] _known = new ushort[KnownHeaders.Count];
    private HeaderSlice[] _slices = new HeaderSlice[16];
    private int _count;

    /// <summary>The command.</summary>
    public StompCommand Command { get; internal set; }

    /// <summary>Command and headers, with the blank line that ends them.</summary>
    public ReadOnlyMemory<byte> Head { get; internal set; }

    /// <summary>The body.</summary>
    public ReadOnlyMemory<byte> Body { get; internal set; }

    /// <summary>Whether command and headers are byte for byte those of the SEND before, so that what was learned from them holds.</summary>
    public bool RepeatsHead { get; internal set; }

    /// <summary>Whether the values of headers are given without blanks around them, as clients of 1.0 write them.</summary>
    public bool TrimsValues { get; internal set; }

    /// <summary>How many header lines there are, repeated ones included.</summary>
    public int HeaderCount => _count;

    /// <summary>Whether there is such a header.</summary>
    public bool Has(KnownHeader header) => _known[(int)header] != 0;

    /// <summary>What the header line means.</summary>
    public KnownHeader KnownAt(int index) => _slices[index].Known;

    /// <summary>Whether the header line repeats the known header of an earlier one, which stands.</summary>
    public bool IsRepeatedKnown(int index) => _slices[index].Known != KnownHeader.None && _known[(int)_slices[index].Known] != index + 1;

    /// <summary>The name of a header line, unescaped.</summary>
    public string NameAt(int index)
    {
        ref readonly var slice = ref _slices[index];
        return Decode(Head.Span.Slice(slice.NameStart, slice.NameLength), slice.IsEscaped);
    }

    /// <summary>The value of a header line, unescaped.</summary>
    public string ValueAt(int index)
    {
        ref readonly var slice = ref _slices[index];
        return Decode(Trimmed(Head.Span.Slice(slice.ValueStart, slice.ValueLength)), slice.IsEscaped);
    }

    /// <summary>The bytes of a header line's name, as they came.</summary>
    public ReadOnlySpan<byte> RawNameAt(int index) => Head.Span.Slice(_slices[index].NameStart, _slices[index].NameLength);

    /// <summary>The bytes of a header line's value, as they came.</summary>
    public ReadOnlySpan<byte> RawValueAt(int index) => Trimmed(Head.Span.Slice(_slices[index].ValueStart, _slices[index].ValueLength));

    /// <summary>The value of a known header, unescaped; null when there is none.</summary>
    public string? Get(KnownHeader header) => _known[(int)header] is var at && at == 0 ? null : ValueAt(at - 1);

    /// <summary>The bytes of a known header's value, as they came; empty when there is none.</summary>
    public ReadOnlySpan<byte> GetRaw(KnownHeader header) => _known[(int)header] is var at && at == 0 ? default : RawValueAt(at - 1);

    /// <summary>Forgets the frame before.</summary>
    internal void Reset()
    {
        _known.AsSpan().Clear();
        _count = 0;
        Command = StompCommand.Unknown;
        Head = default;
        Body = default;
        RepeatsHead = false;
        TrimsValues = false;
    }

    /// <summary>Notes a header line by where it stands from the start of the frame.</summary>
    internal void Add(ReadOnlySpan<byte> name, int nameStart, int valueStart, int valueLength)
    {
        if (_count == _slices.Length)
        {
            Array.Resize(ref _slices, _count * 2);
        }

        var known = KnownHeaders.Find(name);
        _slices[_count++] = new HeaderSlice(nameStart, name.Length, valueStart, valueLength, known, IsEscaped: false);
        if (known != KnownHeader.None && _known[(int)known] == 0)
        {
            _known[(int)known] = (ushort)_count;
        }
    }

    /// <summary>Notes which header lines hold escapes. The first escape that the version does not know, as text; null when all are right.</summary>
    internal string? FindEscapes(StompVersion version)
    {
        for (var i = 0; i < _count; i++)
        {
            var name = RawNameAt(i);
            var value = RawValueAt(i);
            if (!name.Contains((byte)'\\') && !value.Contains((byte)'\\'))
            {
                continue;
            }

            if ((HeaderEscape.FindUnknown(name, version) ?? HeaderEscape.FindUnknown(value, version)) is { } unknown)
            {
                return unknown;
            }

            _slices[i] = _slices[i] with { IsEscaped = true };
        }

        return null;
    }

    private ReadOnlySpan<byte> Trimmed(ReadOnlySpan<byte> value) => TrimsValues ? value.Trim(" \t"u8) : value;

    private string Decode(ReadOnlySpan<byte> raw, bool isEscaped)
    {
        try
        {
            return isEscaped ? StrictUtf8.GetString(HeaderEscape.Remove(raw)) : StrictUtf8.GetString(raw);
        }
        catch (DecoderFallbackException exception)
        {
            var receipt = Has(KnownHeader.Receipt) ? Encoding.UTF8.GetString(GetRaw(KnownHeader.Receipt)) : null;
            throw new StompFaultException(new StompFault("malformed frame", "A header is not UTF-8.", receipt), exception);
        }
    }

    private readonly record struct HeaderSlice(int NameStart, int NameLength, int ValueStart, int ValueLength, KnownHeader Known, bool IsEscaped);
}
