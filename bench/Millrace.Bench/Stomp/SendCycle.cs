namespace Millrace.Bench.Stomp;

/// <summary>SEND frames, one behind the other, of which a producer sends any number with one write: always the same ones, in turn.</summary>
/// <remarks>A cycle is repeated once, so that a run of frames that begins in it goes on behind its end.</remarks>
internal sealed class SendCycle
{
    private const int UnconfirmedLength = 100;

    private readonly byte[] _bytes;
    private readonly int[] _offsets;

    public SendCycle(LoadPlan plan, bool isRabbitMq)
    {
        Length = plan.ReceiptEvery > 0 ? plan.ReceiptEvery : UnconfirmedLength;
        var plain = StompFrames.Send(plan, isRabbitMq, receipt: false);
        var confirmed = StompFrames.Send(plan, isRabbitMq, receipt: true);
        using var bytes = new MemoryStream();
        _offsets = new int[(2 * Length) + 1];
        for (var i = 0; i < 2 * Length; i++)
        {
            bytes.Write(plan.ReceiptEvery > 0 && (i + 1) % Length == 0 ? confirmed : plain);
            _offsets[i + 1] = (int)bytes.Length;
        }

        _bytes = bytes.ToArray();
    }

    /// <summary>The most frames that one write can have.</summary>
    public int Length { get; }

    /// <summary>So many frames, beginning with the one that comes after <paramref name="sent"/> others.</summary>
    public ReadOnlySpan<byte> Frames(long sent, int count)
    {
        var first = (int)(sent % Length);
        return _bytes.AsSpan(_offsets[first].._offsets[first + count]);
    }
}
