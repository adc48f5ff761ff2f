namespace Millrace.Redis.Client.Connections;

/// <summary>Decides what becomes of an operation that was not simply answered. Called by whoever has taken the operation's ticket; ends it or sends it again. Must not block.</summary>
internal interface IOperationRouter
{
    /// <summary>The server answered with an error.</summary>
    void OnError(RedisOperation operation, RedisConnection connection, RedisReply error);

    /// <summary>The connection has ended before the reply came.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="connection">The connection that it was given to.</param>
    /// <param name="mayHaveBeenApplied">False when none of it was ever written.</param>
    void OnCut(RedisOperation operation, RedisConnection connection, bool mayHaveBeenApplied);
}
