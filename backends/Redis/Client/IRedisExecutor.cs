namespace Millrace.Redis.Client;

/// <summary>
/// The one way from the stores to Redis: commands go to the server that has their key, whether that is a single one, the primary that Sentinel names, or the right one of a
/// Cluster. Safe for concurrent use; concurrent commands share connections and are pipelined.
/// </summary>
internal interface IRedisExecutor : IAsyncDisposable
{
    /// <summary>Whether keys are spread over several primaries, so that one script can only touch keys of one hash tag.</summary>
    bool IsCluster { get; }

    /// <summary>
    /// Sends a command and returns its reply. Takes the command over: it must not be used again. Its bytes were copied into it, so the caller's buffers are free from the start.
    /// Cancellation is honoured until the command is handed to a connection; then the true result is returned, or the fault.
    /// </summary>
    /// <exception cref="RedisServerException">The server answered with an error.</exception>
    /// <exception cref="BackendUnavailableException">
    /// No server could be reached, or the connection was cut, or there was no reply within the timeout; says whether the command may have been applied. One that is
    /// <see cref="RedisCommand.IsIdempotent"/> has been tried again for as long as the timeout allows.
    /// </exception>
    ValueTask<RedisReply> ExecuteAsync(RedisCommand command, CancellationToken cancellationToken);

    /// <summary>
    /// The same for a command that makes its connection wait, such as XREAD with BLOCK or WAIT: on a connection of its own, which it may hold for as long as it takes. Cancelling ends it and drops the connection.
    /// </summary>
    /// <param name="commands">Sent one after the other on the same connection, to the server of the first one's key: a write and the WAIT that follows it.</param>
    /// <param name="longest">How long the server may take on purpose; the usual timeout comes on top.</param>
    /// <param name="cancellationToken">Ends the wait with <see cref="OperationCanceledException"/>.</param>
    /// <returns>One reply a command. An error of the last one is thrown.</returns>
    ValueTask<RedisReply[]> ExecuteBlockingAsync(IReadOnlyList<RedisCommand> commands, TimeSpan longest, CancellationToken cancellationToken);

    /// <summary>Sends a command without a key to every primary; one reply each, with the server's address.</summary>
    ValueTask<IReadOnlyList<(string Server, RedisReply Reply)>> ExecuteOnPrimariesAsync(Func<RedisCommand> command, CancellationToken cancellationToken);

    /// <summary>
    /// Makes a round trip to every primary. Ends soon, also where commands would wait longer: a primary without a connection, or that does not answer, is a fault then, and says why.
    /// </summary>
    /// <exception cref="MillraceException">A primary cannot be used.</exception>
    ValueTask ProbeAsync(CancellationToken cancellationToken);

    /// <summary>The server that a command goes to now, for errors.</summary>
    string ServerOf(RedisCommand command);

    /// <summary>
    /// Subscribes; when this returns, the server has confirmed. All subscriptions of a process share one connection a server, and one subscription there for the same name. After
    /// a cut they are made again, until disposed.
    /// </summary>
    /// <param name="kind">What <paramref name="name"/> is.</param>
    /// <param name="name">A channel, or a pattern in Redis' glob language.</param>
    /// <param name="listener">Told of messages, one at a time and in order, on the thread that reads the connection: it must not block or wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<IAsyncDisposable> SubscribeAsync(RedisSubscriptionKind kind, string name, IRedisListener listener, CancellationToken cancellationToken);
}

/// <summary>How a subscription names what it wants.</summary>
internal enum RedisSubscriptionKind : byte
{
    /// <summary>One channel, which every server of a Cluster carries: SUBSCRIBE, PUBLISH.</summary>
    Channel,

    /// <summary>All channels that a glob matches: PSUBSCRIBE.</summary>
    Pattern,

    /// <summary>One channel that only the servers of its hash slot carry; on anything but a Cluster the same as <see cref="Channel"/>, so publish with <see cref="RedisCommand.Publish"/>.</summary>
    Sharded,
}

/// <summary>Who is told what arrives by Pub/Sub.</summary>
internal interface IRedisListener
{
    /// <summary>A message.</summary>
    /// <param name="channel">Where it was published. Valid during the call only.</param>
    /// <param name="payload">The message. Valid for as long as it is referred to.</param>
    void OnMessage(ReadOnlySpan<byte> channel, ReadOnlyMemory<byte> payload);

    /// <summary>The connection was cut, and the subscription has been made again: what was published in between has not arrived and will not.</summary>
    void OnResubscribed();
}
