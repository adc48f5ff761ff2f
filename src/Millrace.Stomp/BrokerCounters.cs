namespace Millrace.Stomp;

/// <summary>What a broker counts, over all connections. Safe for concurrent use.</summary>
internal sealed class BrokerCounters
{
    private long _accepted;
    private long _refused;
    private long _failedLogins;
    private long _frames;
    private long _sent;
    private long _delivered;
    private long _acknowledged;
    private long _rejected;
    private long _errors;
    private long _dropped;

    /// <summary>Connections that got as far as CONNECTED.</summary>
    public long ConnectionsAccepted => Interlocked.Read(ref _accepted);

    /// <summary>Connections over a limit.</summary>
    public long ConnectionsRefused => Interlocked.Read(ref _refused);

    /// <summary>Logins that were refused.</summary>
    public long FailedLogins => Interlocked.Read(ref _failedLogins);

    /// <summary>Frames from clients.</summary>
    public long FramesReceived => Interlocked.Read(ref _frames);

    /// <summary>Messages from clients.</summary>
    public long MessagesSent => Interlocked.Read(ref _sent);

    /// <summary>Messages to clients.</summary>
    public long MessagesDelivered => Interlocked.Read(ref _delivered);

    /// <summary>Messages that clients acknowledged.</summary>
    public long MessagesAcknowledged => Interlocked.Read(ref _acknowledged);

    /// <summary>Messages that clients rejected by NACK.</summary>
    public long MessagesRejected => Interlocked.Read(ref _rejected);

    /// <summary>ERROR frames.</summary>
    public long ErrorsSent => Interlocked.Read(ref _errors);

    /// <summary>Topic messages dropped for slow subscribers.</summary>
    public long TopicMessagesDropped => Interlocked.Read(ref _dropped);

    internal void ConnectionAccepted() => Interlocked.Increment(ref _accepted);

    internal void ConnectionRefused() => Interlocked.Increment(ref _refused);

    internal void LoginFailed() => Interlocked.Increment(ref _failedLogins);

    internal void AddFrames(long count) => Interlocked.Add(ref _frames, count);

    internal void AddSent(long count) => Interlocked.Add(ref _sent, count);

    internal void AddDelivered(long count) => Interlocked.Add(ref _delivered, count);

    internal void AddAcknowledged(long count) => Interlocked.Add(ref _acknowledged, count);

    internal void AddRejected(long count) => Interlocked.Add(ref _rejected, count);

    internal void ErrorSent() => Interlocked.Increment(ref _errors);

    internal void AddDropped(long count) => Interlocked.Add(ref _dropped, count);
}
