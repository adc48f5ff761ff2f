namespace Millrace.Redis.Client.Connections;

/// <summary>
/// Pauses between attempts to connect: a random time up to a bound that doubles, so that many processes that lost one server do not come back to it in step. Not safe for
/// concurrent use.
/// </summary>
internal sealed class ReconnectPause
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    private int _failures;

    public TimeSpan Next()
    {
        var bound = Math.Min(First.TotalMilliseconds * (1L << Math.Min(_failures, 20)), Longest.TotalMilliseconds);
        _failures++;
        return TimeSpan.FromMilliseconds(Random.Shared.NextDouble() * bound);
    }
}
