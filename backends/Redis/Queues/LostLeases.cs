using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>
/// The lease calls of one receiver whose answers were lost. What they have taken is found by the half of the tokens that each call draws, and given back: not counted, and to its place,
/// as if it had not been taken. Otherwise it would be ready again when the leases end. One call at a time.
/// </summary>
internal sealed class LostLeases(QueueCalls calls, QueuePlace place, TimeSpan lease, TimeProvider time)
{
    // Beyond that, the oldest are left to the end of their leases.
    private const int MostRemembered = 64;

    // By how much the clock of a server may differ from that of the one before it, and go unlike this process's.
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(5);

    private readonly List<(ulong Key, long Started)> _calls = [];

    public bool HasAny => _calls.Count > 0;

    /// <summary>Notes a call.</summary>
    /// <param name="key">The half of its tokens.</param>
    /// <param name="started">A timestamp from before it.</param>
    public void Add(ulong key, long started)
    {
        if (_calls.Count == MostRemembered)
        {
            _calls.RemoveAt(0);
        }

        _calls.Add((key, started));
    }

    /// <summary>Gives back what the calls have taken.</summary>
    /// <exception cref="MillraceException">The servers cannot be reached: it is tried again next time.</exception>
    public async ValueTask GiveBackAsync()
    {
        while (_calls.Count > 0)
        {
            var (key, started) = _calls[^1];
            var elapsed = time.GetElapsedTime(started);
            if (elapsed - Slack < lease)
            {
                var tokens = await FindAsync(key, elapsed).ConfigureAwait(false);
                if (tokens.Count > 0)
                {
                    await SettleLane.ReturnAsync(calls, place, tokens).ConfigureAwait(false);
                }
            }

            _calls.RemoveAt(_calls.Count - 1);
        }
    }

    /// <summary>The same, where a fault is no news.</summary>
    /// <returns>Whether that was done.</returns>
    public async ValueTask<bool> TryGiveBackAsync()
    {
        try
        {
            await GiveBackAsync().ConfigureAwait(false);
            return true;
        }
        catch (MillraceException)
        {
            // The caller has a fault to tell already.
            return false;
        }
    }

    private async ValueTask<List<LeaseToken>> FindAsync(ulong key, TimeSpan elapsed)
    {
        var tokens = new List<LeaseToken>();
        var (end, passed) = (RedisTime.MicrosecondsOf(lease), 0L);
        while (true)
        {
            var command = place.CallSection(QueueScripts.Held, calls.IsCluster);
            SettleLane.AddKey(command, key);
            command.Add(end - RedisTime.MicrosecondsOf(elapsed + Slack)).Add(end + RedisTime.MicrosecondsOf(Slack)).Add(passed);
            var reply = await calls.Executor.ExecuteAsync(command.MayRepeat(), CancellationToken.None).ConfigureAwait(false);
            if (QueueCalls.OutcomeOf(reply) != ScriptOutcome.Done || reply.Items[1].ToInteger() == 0)
            {
                return tokens;
            }

            passed += reply.Items[1].ToInteger();
            foreach (var number in reply.Items[2].Items)
            {
                tokens.Add(new LeaseToken(key, (ulong)number.ToInteger()));
            }
        }
    }
}
