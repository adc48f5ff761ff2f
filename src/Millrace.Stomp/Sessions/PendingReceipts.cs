using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>The receipts of frames that are not carried out yet, in the order of the frames. Touched by its session only.</summary>
internal sealed class PendingReceipts(SessionContext session)
{
    private readonly List<(long Frame, string Id, byte[] Receipt)> _receipts = [];

    /// <summary>Notes the receipt of a frame, if it asked for one.</summary>
    public void Add(StompFrame frame)
    {
        if (frame.Get(KnownHeader.Receipt) is { } id)
        {
            Add(id, ControlFrame.Receipt(id, session.Version));
        }
    }

    /// <summary>Notes a receipt of the present frame.</summary>
    public void Add(string id, byte[] receipt) => _receipts.Add((session.Frames, id, receipt));

    /// <summary>The receipt that a frame asked for; null if it did not, or has it.</summary>
    public string? IdOf(long frame) => _receipts.Find(receipt => receipt.Frame == frame).Id;

    /// <summary>Sends those of frames before one, and forgets the others.</summary>
    public void Post(long before = long.MaxValue)
    {
        foreach (var (frame, _, receipt) in _receipts)
        {
            if (frame < before)
            {
                session.Output.Post(receipt);
            }
        }

        _receipts.Clear();
    }
}
