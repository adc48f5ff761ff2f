using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>The receipts of frames that are not carried out yet, in the order of the frames. Touched by its session only.</summary>
internal sealed class PendingReceipts(SessionContext session)
{
    private readonly List<(long Frame, byte[] Receipt)> _receipts = [];

    /// <summary>Notes the receipt of a frame, if it asked for one.</summary>
    public void Add(StompFrame frame)
    {
        if (frame.Get(KnownHeader.Receipt) is { } id)
        {
            Add(ControlFrame.Receipt(id, session.Version));
        }
    }

    /// <summary>Notes a receipt of the present frame.</summary>
    public void Add(byte[] receipt) => _receipts.Add((session.Frames, receipt));

    /// <summary>Sends those of frames before one, and forgets the others.</summary>
    public void Post(long before = long.MaxValue)
    {
        foreach (var (frame, receipt) in _receipts)
        {
            if (frame < before)
            {
                session.Output.Post(receipt);
            }
        }

        _receipts.Clear();
    }
}
