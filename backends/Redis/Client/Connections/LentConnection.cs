namespace Millrace.Redis.Client.Connections;

/// <summary>Sends commands, one after the other, on a connection that nobody else uses meanwhile.</summary>
internal sealed class LentConnection(RedisConnection connection, TimeProvider time) : IOperationRouter
{
    private const int MostScriptLoads = 3;

    /// <summary>Sends a command and returns its reply, which may be an error. The command stays its caller's.</summary>
    public ValueTask<RedisReply> ExecuteAsync(RedisCommand command)
    {
        var operation = RedisOperation.Start(command, this, time.GetTimestamp());
        operation.KeepsCommand = true;
        var task = operation.Task;
        if (connection.Send(operation) != SendOutcome.Taken)
        {
            operation.Fail(RedisFaults.Cut(connection, mayHaveBeenApplied: false));
        }

        return task;
    }

    void IOperationRouter.OnError(RedisOperation operation, RedisConnection connection, RedisReply error)
    {
        if (!error.Bytes.Span.StartsWith("NOSCRIPT"u8) || operation.Command.Script is not { } script || operation.ScriptLoads++ >= MostScriptLoads)
        {
            operation.Complete(error);
            return;
        }

        _ = LoadAndRepeatAsync(operation, script);
    }

    void IOperationRouter.OnCut(RedisOperation operation, RedisConnection connection, bool mayHaveBeenApplied) =>
        operation.Fail(RedisFaults.Cut(connection, mayHaveBeenApplied));

    private async Task LoadAndRepeatAsync(RedisOperation operation, RedisScript script)
    {
        try
        {
            await connection.ExecuteAsync(RedisCommand.Create("SCRIPT").Add("LOAD").Add(script.Text.Span)).ConfigureAwait(false);
        }
        catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied)
        {
            operation.Fail(RedisFaults.Unprepared(connection.Address.ToString(), cut));
            return;
        }
        catch (MillraceException fault)
        {
            operation.Fail(fault);
            return;
        }

        if (connection.Send(operation) != SendOutcome.Taken)
        {
            operation.Fail(RedisFaults.Cut(connection, mayHaveBeenApplied: false));
        }
    }
}
