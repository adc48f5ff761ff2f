namespace Millrace.Redis.Client.Connections;

/// <summary>
/// What the ways to the servers have in common: the short way of a command onto a connection that stands, the long way when there is none or no room, and what errors and cuts mean.
/// </summary>
internal abstract class RoutingExecutor(TimeProvider time, TimeSpan timeout) : IOperationRouter
{
    private const int MostScriptLoads = 3;

    private static readonly TimeSpan ShortPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongPause = TimeSpan.FromMilliseconds(200);

    protected TimeProvider Time => time;

    /// <summary>The longest time that a command may take, and that it is tried again.</summary>
    protected TimeSpan Timeout => timeout;

    public ValueTask<RedisReply> ExecuteAsync(RedisCommand command, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            command.Free();
            return ValueTask.FromCanceled<RedisReply>(cancellationToken);
        }

        var operation = RedisOperation.Start(command, this, time.GetTimestamp());
        var task = operation.Task;
        if (FindConnection(command)?.Send(operation) != SendOutcome.Taken)
        {
            _ = PlaceAsync(operation, TimeSpan.Zero, cancellationToken);
        }

        return task;
    }

    public void OnError(RedisOperation operation, RedisConnection connection, RedisReply error)
    {
        var text = error.Bytes.Span;
        if (text.StartsWith("NOSCRIPT"u8) && operation.Command.Script is { } script && operation.ScriptLoads++ < MostScriptLoads)
        {
            LoadAndRepeat(operation, connection, script);
        }
        else if (text.StartsWith("LOADING"u8) && Remaining(operation) > LongPause)
        {
            // The server has just started and has not done it.
            _ = PlaceAsync(operation, LongPause, CancellationToken.None);
        }
        else
        {
            RedirectOrFail(operation, connection, error);
        }
    }

    public void OnCut(RedisOperation operation, RedisConnection connection, bool mayHaveBeenApplied)
    {
        operation.MayHaveBeenApplied |= mayHaveBeenApplied;

        // A script that was sent with it may be lost too.
        operation.ScriptLoads = 0;
        if ((!mayHaveBeenApplied || operation.Command.IsIdempotent) && Remaining(operation) > TimeSpan.Zero)
        {
            _ = PlaceAsync(operation, TimeSpan.Zero, CancellationToken.None);
        }
        else
        {
            operation.Fail(RedisFaults.Cut(connection, operation.MayHaveBeenApplied));
        }
    }

    /// <summary>The connection on which a command goes, if it stands.</summary>
    protected abstract RedisConnection? FindConnection(RedisCommand command);

    /// <summary>The connection on which a command goes, as soon as it stands.</summary>
    protected abstract ValueTask<RedisConnection> WaitForConnectionAsync(RedisCommand command, TimeSpan longest, CancellationToken cancellationToken);

    /// <summary>A connection has turned out to have ended.</summary>
    protected abstract void Leave(RedisConnection connection);

    /// <summary>Sends an operation elsewhere, or again, when the error says that it was only at the wrong place or time. False when the error is the caller's.</summary>
    protected abstract bool TryRedirect(RedisOperation operation, RedisConnection connection, RedisReply error);

    protected TimeSpan Remaining(RedisOperation operation) => timeout - time.GetElapsedTime(operation.Started);

    /// <summary>A pause that grows with the repeats of an operation.</summary>
    protected static TimeSpan PauseBefore(int repeats) => TimeSpan.FromTicks(Math.Min(ShortPause.Ticks << Math.Min(repeats, 10), LongPause.Ticks));

    /// <summary>Makes one attempt of commands that make their connection wait.</summary>
    /// <param name="pool">Connections to their server.</param>
    /// <param name="commands">The commands.</param>
    /// <param name="longest">How long the server may take on purpose.</param>
    /// <param name="asking">Whether the server is asked for a slot that is on its way to it.</param>
    /// <param name="isMisplaced">Whether an error says that nothing was applied because the server is the wrong one.</param>
    /// <param name="attempts">What the attempts before have left.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The replies, as <see cref="BlockingCalls.RunAsync"/> has them; null for another attempt: they were not applied, or may be repeated, and there is time.</returns>
    protected async ValueTask<RedisReply[]?> TryRunAsync(
        ConnectionPool pool, IReadOnlyList<RedisCommand> commands, TimeSpan longest, bool asking, Func<RedisReply, bool> isMisplaced, BlockingAttempts attempts, CancellationToken cancellationToken)
    {
        try
        {
            return await BlockingCalls.RunAsync(pool, commands, longest + timeout, time, asking, isMisplaced, cancellationToken).ConfigureAwait(false);
        }
        catch (BackendUnavailableException fault)
        {
            attempts.MayHaveBeenApplied |= fault.MayHaveBeenApplied;
            if ((fault.MayHaveBeenApplied && !attempts.AreIdempotent) || !HasTime(attempts))
            {
                throw attempts.MayHaveBeenApplied && !fault.MayHaveBeenApplied ? RedisFaults.Uncertain(fault) : fault;
            }

            return null;
        }
    }

    /// <summary>The fault of commands that no server took while there was time.</summary>
    protected static MillraceException Misplaced(RedisReply error, string? server, BlockingAttempts attempts)
    {
        var answered = new RedisServerException(error.ToText()!, server, null);
        return attempts.MayHaveBeenApplied ? RedisFaults.AnsweredToARepeat(answered) : answered;
    }

    protected bool HasTime(BlockingAttempts attempts) => time.GetElapsedTime(attempts.Started) < timeout;

    /// <summary>Brings an operation onto a connection after a pause, waiting for one, and for room on it, for as long as its time allows.</summary>
    protected async Task PlaceAsync(RedisOperation operation, TimeSpan pause, CancellationToken cancellationToken)
    {
        try
        {
            if (pause > TimeSpan.Zero)
            {
                await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            }

            while (true)
            {
                var connection = await WaitForConnectionAsync(operation.Command, Remaining(operation), cancellationToken).ConfigureAwait(false);
                var outcome = connection.Send(operation);
                if (outcome == SendOutcome.Taken)
                {
                    return;
                }

                if (outcome == SendOutcome.Ended)
                {
                    Leave(connection);
                }
                else if (!await HasRoomAsync(connection, Remaining(operation), cancellationToken).ConfigureAwait(false))
                {
                    operation.Fail(RedisFaults.Full(connection, timeout));
                    return;
                }
            }
        }
        catch (BackendUnavailableException fault) when (operation.MayHaveBeenApplied && !fault.MayHaveBeenApplied)
        {
            operation.Fail(RedisFaults.Uncertain(fault));
        }
        catch (Exception fault)
        {
            operation.Fail(fault);
        }
    }

    private void RedirectOrFail(RedisOperation operation, RedisConnection connection, RedisReply error)
    {
        try
        {
            if (Remaining(operation) <= TimeSpan.Zero || !TryRedirect(operation, connection, error))
            {
                var answered = RedisFaults.Answered(error, connection);
                operation.Fail(operation.MayHaveBeenApplied ? RedisFaults.AnsweredToARepeat(answered) : answered);
            }
        }
        catch (ObjectDisposedException closing)
        {
            operation.Fail(closing);
        }
    }

    private async ValueTask<bool> HasRoomAsync(RedisConnection connection, TimeSpan longest, CancellationToken cancellationToken)
    {
        if (longest <= TimeSpan.Zero)
        {
            return false;
        }

        try
        {
            await connection.WaitForRoomAsync().WaitAsync(longest, time, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>Gives the server the script, and the call right behind it.</summary>
    private void LoadAndRepeat(RedisOperation operation, RedisConnection connection, RedisScript script)
    {
        var load = RedisOperation.Start(RedisCommand.Create("SCRIPT").Add("LOAD").Add(script.Text.Span), DirectRouter.Instance, time.GetTimestamp());
        var loading = load.Task;
        if (connection.Send(operation, load) == SendOutcome.Taken)
        {
            _ = IgnoreAsync(loading);
            return;
        }

        load.Complete(RedisReply.Null);
        _ = IgnoreAsync(loading);
        _ = PlaceAsync(operation, TimeSpan.Zero, CancellationToken.None);
    }

    /// <summary>What went wrong with a command that prepares another is said by that other one.</summary>
    protected static async Task IgnoreAsync(ValueTask<RedisReply> preparation)
    {
        try
        {
            await preparation.ConfigureAwait(false);
        }
        catch (MillraceException)
        {
            return;
        }
    }
}
