using System.Globalization;

namespace Millrace.Redis.Client.Connections;

/// <summary>Finds out whether a server can be used, and why not, without waiting as long as a command would.</summary>
internal static class RoundTrip
{
    // Well within what those who ask allow for the whole answer: 2 s of a node for its health.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    /// <exception cref="MillraceException">The server cannot be used; says why.</exception>
    public static async ValueTask MakeAsync(RedisLink link, bool mustBePrimary, TimeProvider time, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            var connection = await link.WaitAsync(Left(), Longest, cancellationToken).ConfigureAwait(false);
            try
            {
                await AskAsync(connection, mustBePrimary).WaitAsync(Left(), time, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (TimeoutException)
            {
                throw new BackendUnavailableException(
                    string.Create(CultureInfo.InvariantCulture, $"Redis at {connection.Address} has not answered within {Longest.TotalMilliseconds:0} ms."));
            }
            catch (BackendUnavailableException) when (connection.End is not null && Left() > TimeSpan.Zero)
            {
                // It was about to end: whether there is another, and if not why, says more.
                link.Leave(connection);
            }
        }

        TimeSpan Left()
        {
            var left = Longest - time.GetElapsedTime(started);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    private static async Task AskAsync(RedisConnection connection, bool mustBePrimary)
    {
        // PING is refused while the server loads, HELLO is not; and a user may be denied PING, but not HELLO.
        var hello = AnswerAsync(connection.ExecuteAsync(RedisCommand.Create("HELLO")));
        await AnswerAsync(connection.ExecuteAsync(RedisCommand.Create("PING"))).ConfigureAwait(false);
        var greeting = await hello.ConfigureAwait(false);
        if (mustBePrimary && ServerGreeting.IsOfReplica(greeting))
        {
            throw new BackendUnavailableException(ServerGreeting.SayReplica(connection.Address));
        }
    }

    /// <summary>The reply; none where the server does not know or allow the command: it has answered all the same.</summary>
    private static async Task<RedisReply> AnswerAsync(ValueTask<RedisReply> asked)
    {
        try
        {
            return await asked.ConfigureAwait(false);
        }
        catch (RedisServerException refusal) when (!refusal.IsTransient)
        {
            return RedisReply.Null;
        }
    }
}
