using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Connections;

/// <summary>
/// What a frame that arrives takes of the memory that all connections share. A frame that says how long it is waits until all of it is free, so that frames that have begun can
/// always end; one that does not takes what it needs as it grows, and is refused when there is no more. Touched by the reader of its connection only.
/// </summary>
internal sealed class FrameBudget(MemoryBudget budget, TimeProvider timeProvider, TimeSpan timeout)
{
    // Ten thousand connections with half a frame each are 80 MiB.
    private const long UncountedBytes = 8 * 1024;

    private long _taken;

    /// <summary>Takes what the frame that has begun needs and has not got, if there is as much.</summary>
    public bool TryCover(StompParser parser)
    {
        var missing = MissingTo(parser);
        if (missing > 0 && !budget.TryTake(missing))
        {
            return false;
        }

        _taken += missing;
        return true;
    }

    /// <summary>Waits for what the frame that has begun needs and has not got.</summary>
    /// <exception cref="StompFaultException">There is not so much, and was not for twice the time that a frame may stand still.</exception>
    public async ValueTask CoverAsync(StompParser parser, CancellationToken cancellationToken)
    {
        // Only a frame that holds nothing yet may wait: it keeps nobody else from ending.
        if (_taken > 0)
        {
            throw OutOfBudget();
        }

        var missing = MissingTo(parser);

        // Twice as long as a frame may stand still, which is found out late: what a stranger has begun and not gone on with is free by then.
        using var patience = new CancellationTokenSource(2 * timeout, timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            await budget.TakeAsync(missing, either.Token).ConfigureAwait(false);
            _taken += missing;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw OutOfBudget();
        }
    }

    /// <summary>Gives back what is not needed any more.</summary>
    public void Settle(StompParser parser)
    {
        var wanted = parser.IsInFrame && parser.FrameBytes > UncountedBytes ? parser.FrameBytes : 0;
        if (wanted < _taken)
        {
            budget.Give(_taken - wanted);
            _taken = wanted;
        }
    }

    /// <summary>The connection ends.</summary>
    public void GiveAll()
    {
        if (_taken > 0)
        {
            budget.Give(_taken);
            _taken = 0;
        }
    }

    private long MissingTo(StompParser parser)
    {
        var wanted = parser.IsInFrame ? parser.FrameBytes : 0;
        return wanted <= UncountedBytes ? 0 : Math.Max(0, wanted - _taken);
    }

    private static StompFaultException OutOfBudget() =>
        new("out of memory budget", "Arriving frames and open transactions take all the memory that the broker has for them: send again later, or raise the budget.");
}
