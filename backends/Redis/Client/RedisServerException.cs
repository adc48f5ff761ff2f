namespace Millrace.Redis.Client;

/// <summary>A server has answered a command with an error. The command has had no effect, unless it was a script that failed half-way.</summary>
public sealed class RedisServerException : BackendErrorException
{
    /// <summary>Says what the server said.</summary>
    /// <param name="error">The error as the server sent it: <c>WRONGTYPE Operation against a key …</c>.</param>
    public RedisServerException(string error)
        : this(error, null, null)
    {
    }

    /// <summary>Says which server said what, and what can be done about it.</summary>
    /// <param name="error">The error as the server sent it.</param>
    /// <param name="server">The server; null where it is not known.</param>
    /// <param name="user">Who the client is to it.</param>
    internal RedisServerException(string error, string? server, string? user)
        : base(RedisErrorText.Explain(error, server, user)) =>
        Code = RedisErrorText.CodeOf(error);

    /// <summary>The first word of the error: <c>ERR</c>, <c>WRONGTYPE</c>, <c>READONLY</c>, <c>OOM</c>, <c>NOAUTH</c> and so on.</summary>
    public string Code { get; }

    /// <summary>True for what passes by itself: a server that is loading, busy with a script, or in the middle of a fail-over, or a slot of a Cluster that moves.</summary>
    public override bool IsTransient => Code is "LOADING" or "BUSY" or "TRYAGAIN" or "MOVED" or "ASK" or "CLUSTERDOWN" or "MASTERDOWN" or "READONLY" or "NOREPLICAS" or "OOM" or "MISCONF" or "UNBLOCKED";
}
