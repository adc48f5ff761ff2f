using System.Buffers;
using System.Text;
using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>
/// Reads bytes as a connection does: appends a piece, reads until the parser needs more, compacts, goes on. What the parser has given back is overwritten at once, so that
/// nothing is read from there unseen.
/// </summary>
internal sealed class FrameReader : IDisposable
{
    private static readonly StompOptions UsualOptions = new();

    private readonly StompFrame _frame = new();
    private readonly List<ReadFrame> _frames = [];
    private StompFault? _fault;

    public FrameReader(StompVersion version, StompOptions? options = null)
    {
        Parser = new StompParser(options ?? UsualOptions) { Version = version };
    }

    public StompParser Parser { get; }

    /// <summary>How many of the frames repeated the head of the one before.</summary>
    public int RepeatedHeads { get; private set; }

    /// <summary>The largest that the window was.</summary>
    public int LargestWindowBytes { get; private set; }

    /// <summary>What was read so far.</summary>
    public Reading Reading => new(_frames, _fault is null ? ParseStatus.Incomplete : ParseStatus.Fault, _fault?.Summary, _fault?.ReceiptId);

    /// <summary>The detail of the fault.</summary>
    public string? FaultDetail => _fault?.Detail;

    /// <summary>Reads all bytes, cut at the places given, in order.</summary>
    public static Reading Read(ReadOnlySpan<byte> bytes, StompVersion version, StompOptions? options = null, params ReadOnlySpan<int> cuts)
    {
        using var reader = new FrameReader(version, options);
        var at = 0;
        foreach (var cut in cuts)
        {
            reader.Take(bytes[at..cut]);
            at = cut;
        }

        reader.Take(bytes[at..]);
        return reader.Reading;
    }

    /// <summary>Reads text in which ^@ stands for NUL.</summary>
    public static Reading Read(string text, StompVersion version, StompOptions? options = null) => Read(BytesOf(text), version, options);

    /// <summary>Reads text that holds one frame, in which ^@ stands for NUL.</summary>
    public static ReadFrame ReadOne(string text, StompVersion version, StompOptions? options = null)
    {
        var reading = Read(text, version, options);
        Assert.True(reading.Status == ParseStatus.Incomplete, reading.ToString());
        return Assert.Single(reading.Frames);
    }

    public static byte[] BytesOf(string text) => Encoding.UTF8.GetBytes(text.Replace("^@", "\0", StringComparison.Ordinal));

    /// <summary>Takes a piece, and reads what is complete.</summary>
    public void Take(ReadOnlySpan<byte> piece, bool compacts = true)
    {
        if (_fault is not null)
        {
            return;
        }

        Parser.Append(piece);
        LargestWindowBytes = Math.Max(LargestWindowBytes, Parser.WindowBytes);
        while (_fault is null && TryReadOne())
        {
        }

        if (compacts)
        {
            Compact();
        }
    }

    public void Compact()
    {
        var before = Parser.WindowBytes;
        Parser.Compact();
        if (before > Parser.WindowBytes)
        {
            var given = ArrayPool<byte>.Shared.Rent(before);
            given.AsSpan().Fill((byte)'9');
            ArrayPool<byte>.Shared.Return(given);
        }
    }

    public void Dispose() => Parser.Dispose();

    private bool TryReadOne()
    {
        var buffered = Parser.Buffered;
        switch (Parser.TryRead(_frame))
        {
            case ParseStatus.Frame:
                Assert.True(Parser.Buffered < buffered, "A frame was read from no bytes.");
                Keep();
                return true;
            case ParseStatus.Fault:
                _fault = Parser.Fault;
                Assert.NotNull(_fault);
                Assert.Equal(ParseStatus.Fault, Parser.TryRead(_frame));
                return false;
            default:
                return false;
        }
    }

    private void Keep()
    {
        try
        {
            var headers = new (string, string)[_frame.HeaderCount];
            for (var i = 0; i < headers.Length; i++)
            {
                headers[i] = (_frame.NameAt(i), _frame.ValueAt(i));
            }

            var read = new ReadFrame(_frame.Command, headers, _frame.Body.ToArray());
            CheckKnown(read);
            _frames.Add(read);
            RepeatedHeads += _frame.RepeatsHead ? 1 : 0;
            if (Parser.Version == StompVersion.None)
            {
                Parser.Version = StompVersions.Negotiate(_frame.Get(KnownHeader.AcceptVersion));
            }
        }
        catch (StompFaultException exception)
        {
            _fault = exception.Fault;
        }
    }

    // What is found by what it means is the first header that means it.
    private void CheckKnown(ReadFrame read)
    {
        for (var i = 0; i < _frame.HeaderCount; i++)
        {
            var known = KnownHeaders.Find(Encoding.UTF8.GetBytes(read.Headers[i].Name));
            if (_frame.KnownAt(i) != known || known == KnownHeader.None)
            {
                Assert.Equal(known, _frame.KnownAt(i));
                continue;
            }

            var first = 0;
            while (_frame.KnownAt(first) != known)
            {
                first++;
            }

            if (_frame.Get(known) != read.Headers[first].Value || _frame.IsRepeatedKnown(i) != (first < i))
            {
                Assert.Fail($"Header {i} of {read} is not found as what it means.");
            }
        }
    }
}
