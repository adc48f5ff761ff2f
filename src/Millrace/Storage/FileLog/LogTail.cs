using System.Buffers;

namespace Millrace.Storage.FileLog;

/// <summary>
/// What was appended to a log and is not written yet, in pieces that each belong to one segment. Under the log's gate, but that the writer reads the bytes of a piece up to an end that it
/// took under the gate: bytes once claimed do not move.
/// </summary>
internal sealed class LogTail
{
    private const int SmallestPiece = 4 * 1024;
    private const int LargestPiece = 256 * 1024;

    private readonly Queue<Piece> _pieces = new();
    private Piece? _last;
    private int _pieceBytes = SmallestPiece;

    /// <summary>The oldest piece; null when everything is written.</summary>
    public Piece? First => _pieces.TryPeek(out var piece) ? piece : null;

    /// <summary>Room for the next bytes of a segment.</summary>
    public Span<byte> Claim(LogSegment segment, int bytes)
    {
        var piece = _last;
        if (piece is null || piece.Segment != segment || piece.Data.Length - piece.End < bytes)
        {
            if (piece is not null)
            {
                _pieceBytes = Math.Min(_pieceBytes * 4, LargestPiece);
            }

            piece = new Piece(segment, segment.EndPosition - segment.StartPosition, ArrayPool<byte>.Shared.Rent(Math.Max(bytes, _pieceBytes)));
            _pieces.Enqueue(piece);
            _last = piece;
        }

        var room = piece.Data.AsSpan(piece.End, bytes);
        piece.End += bytes;
        return room;
    }

    /// <summary>The first piece has been written up to <paramref name="end"/>.</summary>
    public void Written(Piece piece, int end)
    {
        piece.Start = end;
        if (end < piece.End)
        {
            return;
        }

        // An idle log holds no memory. A busy one gets its array back from the pool.
        _pieces.Dequeue();
        if (_last == piece)
        {
            _last = null;
            _pieceBytes = Math.Max(SmallestPiece, Math.Min(_pieceBytes, end * 2));
        }

        ArrayPool<byte>.Shared.Return(piece.Data);
    }

    /// <summary>Bytes on their way to one segment.</summary>
    /// <param name="segment">The segment.</param>
    /// <param name="offset">Where in its file the array begins.</param>
    /// <param name="data">The array.</param>
    public sealed class Piece(LogSegment segment, long offset, byte[] data)
    {
        public LogSegment Segment { get; } = segment;

        public byte[] Data { get; } = data;

        /// <summary>Up to where it is written.</summary>
        public int Start { get; set; }

        /// <summary>Up to where it is claimed.</summary>
        public int End { get; set; }

        public long OffsetOf(int index) => offset + index;

        public long PositionOf(int index) => Segment.StartPosition + offset + index;
    }
}
