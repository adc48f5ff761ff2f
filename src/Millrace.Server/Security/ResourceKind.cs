namespace Millrace.Server.Security;

/// <summary>The kinds of names that permissions speak of.</summary>
internal enum ResourceKind
{
    /// <summary>A queue, and with it its dead letters.</summary>
    Queue,

    /// <summary>A topic of channels and of publishing into bound queues.</summary>
    Topic,

    /// <summary>A lock.</summary>
    Lock,

    /// <summary>A key of the state store.</summary>
    State,

    /// <summary>A stream, with its groups.</summary>
    Stream,

    /// <summary>A schedule, with its runs.</summary>
    Schedule,
}
