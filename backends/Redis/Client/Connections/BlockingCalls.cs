namespace Millrace.Redis.Client.Connections;

/// <summary>Runs commands that make their connection wait, each group on a connection of its own.</summary>
internal static class BlockingCalls
{
    private const string AfterOthers = " The commands before it have been applied.";

    /// <summary>Sends commands one after the other.</summary>
    /// <returns>Their replies; only the first one when that is an error for which <paramref name="isMisplaced"/> is true: none has been applied then.</returns>
    /// <exception cref="RedisServerException">The last command's error.</exception>
    public static async ValueTask<RedisReply[]> RunAsync(
        ConnectionPool pool, IReadOnlyList<RedisCommand> commands, TimeSpan replyTimeout, TimeProvider time, bool asking, Func<RedisReply, bool> isMisplaced, CancellationToken cancellationToken)
    {
        var connection = await pool.RentAsync(cancellationToken).ConfigureAwait(false);
        var isDone = false;
        try
        {
            connection.ReplyTimeout = replyTimeout;
            var replies = new RedisReply[commands.Count];
            await using var registration = cancellationToken.UnsafeRegister(
                static state => ((RedisConnection)state!).Cut(new OperationCanceledException("the caller did not want to wait any longer")), connection).ConfigureAwait(false);
            if (asking)
            {
                await AskAsync(connection).ConfigureAwait(false);
            }

            var lent = new LentConnection(connection, time);
            for (var i = 0; i < replies.Length; i++)
            {
                replies[i] = await ExecuteAsync(lent, commands[i], isFirst: i == 0).ConfigureAwait(false);
                if (i == 0 && replies[0].Kind == RedisReplyKind.Error && isMisplaced(replies[0]))
                {
                    isDone = true;
                    return [replies[0]];
                }
            }

            isDone = true;
            return replies[^1].Kind == RedisReplyKind.Error ? throw Refused(replies, connection) : replies;
        }
        catch (MillraceException fault) when (cancellationToken.IsCancellationRequested && !isDone)
        {
            throw new OperationCanceledException("The wait for Redis was ended by its caller.", fault, cancellationToken);
        }
        finally
        {
            if (!isDone)
            {
                connection.Cut(new IOException("its command was given up"));
            }

            pool.Return(connection);
        }
    }

    /// <summary>The fault of the last command: a WAIT is refused when its server has ceased to be the primary, and what was written before it is there, for the time being.</summary>
    private static MillraceException Refused(RedisReply[] replies, RedisConnection connection)
    {
        if (replies.Length == 1 || replies[0].Kind == RedisReplyKind.Error)
        {
            return RedisFaults.Answered(replies[0], connection);
        }

        var fault = RedisFaults.Answered(replies[^1], connection);
        return new BackendUnavailableException(fault.Message + AfterOthers, mayHaveBeenApplied: true, fault);
    }

    private static async ValueTask AskAsync(RedisConnection connection)
    {
        try
        {
            await connection.ExecuteAsync(RedisCommand.Create("ASKING")).ConfigureAwait(false);
        }
        catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied)
        {
            throw RedisFaults.Unprepared(connection.Address.ToString(), cut);
        }
    }

    private static async ValueTask<RedisReply> ExecuteAsync(LentConnection connection, RedisCommand command, bool isFirst)
    {
        try
        {
            return await connection.ExecuteAsync(command).ConfigureAwait(false);
        }
        catch (BackendUnavailableException fault) when (!isFirst && !fault.MayHaveBeenApplied)
        {
            // What was not sent is only the rest: the commands before it have been applied.
            throw new BackendUnavailableException(fault.Message + AfterOthers, mayHaveBeenApplied: true, fault);
        }
    }
}
