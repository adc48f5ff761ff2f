namespace Millrace.Redis.Client.Connections;

/// <summary>Gives errors and cuts to the caller, for commands that are meant for one connection only.</summary>
internal sealed class DirectRouter : IOperationRouter
{
    public static readonly DirectRouter Instance = new();

    public void OnError(RedisOperation operation, RedisConnection connection, RedisReply error) => operation.Fail(RedisFaults.Answered(error, connection));

    public void OnCut(RedisOperation operation, RedisConnection connection, bool mayHaveBeenApplied) =>
        operation.Fail(RedisFaults.Cut(connection, mayHaveBeenApplied));
}
