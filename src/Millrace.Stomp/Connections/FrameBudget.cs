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

    /// <summary>Takes what the frame that has begun needs and has not got.</summary>
    /// <exception cref="StompFaultException">There is not so much, and was not for the time that a frame may take.</exception>
    public ValueTask CoverAsync(StompParser parser)
    {
        var wanted = parser.IsInFrame ? parser.FrameBytes : 0;
        return wanted <= UncountedBytes || wanted <= _taken ? ValueTask.CompletedTask : TakeAsync(wanted - _taken);
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

    private async ValueTask TakeAsync(long bytes)
    {
        if (!budget.TryTake(bytes))
        {
            // Only a frame that holds nothing yet may wait: it keeps nobody else from ending.
            if (_taken > 0)
            {
                throw OutOfBudget();
            }

            using var patience = new CancellationTokenSource(timeout, timeProvider);
            try
            {
                await budget.TakeAsync(bytes, patience.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                throw OutOfBudget();
            }
        }

        _taken += bytes;
    }

    private static StompFaultException OutOfBudget() =>
        new("out of memory budget", "Arriving frames and open transactions take all the memory that the broker has for them: send again later, or raise the budget.");
}
