using Millrace.Storage;

namespace Millrace.Redis.Client.Named;

/// <summary>
/// Commands to Redis by their names, for what an application keeps there itself: <c>await client.ExecuteAsync("SET", "key", "value")</c>. The same for a single server, behind
/// Sentinel and on a Cluster, where each command goes to the node of its key. Safe for concurrent use: concurrent commands share a connection and are pipelined, so there is no need
/// for a pool or for batches.
/// </summary>
/// <remarks>
/// Commands that wait (BLPOP, XREAD with BLOCK, WAIT and their kin) get a connection of their own for as long as they take. Commands that change the connection itself (MULTI,
/// SUBSCRIBE, SELECT, AUTH and so on) are refused, because it is shared: for what must happen at once, send a script by EVAL. A command of which it is not known whether it was
/// applied is repeated only if it just reads.
/// <para>
/// On a Cluster, a command goes to the primary of its key. Of those without a key, FLUSHALL, FLUSHDB, SCRIPT LOAD and FLUSH, and FUNCTION LOAD, DELETE, FLUSH and RESTORE go to every
/// primary; KEYS and DBSIZE ask every primary, and answer what all have; all others (SCAN, RANDOMKEY, INFO, CONFIG and so on) are answered by any one, for itself alone.
/// </para>
/// <para>The health check is a round trip to every primary.</para>
/// </remarks>
public interface IRedisClient : IHealthProbe, IAsyncDisposable
{
    /// <summary>The name of the instance, such as <c>cache</c>.</summary>
    string Name { get; }

    /// <summary>Sends a command and returns the reply.</summary>
    /// <param name="command">Its name, such as <c>SET</c>; in any case.</param>
    /// <param name="arguments">Its arguments: texts, bytes or numbers. They are copied before this returns.</param>
    /// <exception cref="RedisServerException">The server answered with an error.</exception>
    /// <exception cref="BackendUnavailableException">There was no connection, or no reply; says whether the command may have been applied.</exception>
    /// <exception cref="ArgumentException">The command would change the shared connection, or misses the argument that names its key.</exception>
    ValueTask<RedisReply> ExecuteAsync(string command, params ReadOnlySpan<RedisArgument> arguments);

    /// <summary>The same, until it is cancelled; that is honoured until the command is on its way.</summary>
    /// <param name="command">Its name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="cancellationToken">Ends the wait for a connection, and any command that waits in the server.</param>
    ValueTask<RedisReply> ExecuteAsync(string command, ReadOnlySpan<RedisArgument> arguments, CancellationToken cancellationToken);
}
