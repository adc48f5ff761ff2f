using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Connections;

/// <summary>Why a connection ends. The first reason stands.</summary>
/// <param name="Summary">A few words for the log.</param>
/// <param name="Fault">What the client is told in an ERROR frame; null when there is nobody to tell, or nothing wrong.</param>
/// <param name="IsAbrupt">Whether the transport is cut without waiting for what is still to be sent.</param>
internal sealed record CloseReason(string Summary, StompFault? Fault = null, bool IsAbrupt = false)
{
    /// <summary>For the log, where the client is not told what it says.</summary>
    public Exception? Exception { get; init; }

    /// <summary>Whether the client is at fault, or what it asked for; not when the broker ends it by itself.</summary>
    public bool IsFaultOfClient => Fault is not null && this != Stopping && this != ClosedByAdministrator;

    /// <summary>The client said DISCONNECT.</summary>
    public static readonly CloseReason Disconnected = new("disconnected");

    /// <summary>The client has closed its side. It may still read what is on its way to it.</summary>
    public static readonly CloseReason Closed = new("the client has closed the connection");

    /// <summary>The client, or the way to it, is gone.</summary>
    public static readonly CloseReason Gone = new("the client has gone", IsAbrupt: true);

    /// <summary>The broker stops.</summary>
    public static readonly CloseReason Stopping = new("the broker stops", new StompFault("stopping", "The broker is stopping: connect again later."));

    /// <summary>An administrator closed it.</summary>
    public static readonly CloseReason ClosedByAdministrator =
        new("closed by an administrator", new StompFault("closed by an administrator", "An administrator has closed this connection."));

    /// <summary>A fault of the broker.</summary>
    public static CloseReason Failed(Exception exception) =>
        new("a fault of the broker", new StompFault("internal error", "The broker failed. Its log says more.")) { Exception = exception };

    /// <summary>No CONNECT frame came in time.</summary>
    public static CloseReason NotConnected(TimeSpan time) =>
        new("no CONNECT frame in time", new StompFault("not connected", $"No CONNECT frame has come for {time.TotalSeconds:0.#} s."));

    /// <summary>A frame was begun and not gone on with.</summary>
    public static CloseReason Unfinished(TimeSpan time) =>
        new("an unfinished frame", new StompFault("malformed frame", $"A frame was begun, and nothing more of it has come for {time.TotalSeconds:0.#} s."));

    /// <summary>No heart-beat came.</summary>
    public static CloseReason Silent(TimeSpan time) =>
        new("no heart-beat", new StompFault("no heart-beat", $"Nothing has come from the client for {time.TotalMilliseconds:0} ms, though it promised heart-beats."));

    /// <summary>The client takes nothing of what is sent to it.</summary>
    public static CloseReason NotReading(TimeSpan time) => new($"the client has taken nothing for {time.TotalSeconds:0} s", IsAbrupt: true);

    /// <summary>A fault of the client, or of what it asked for.</summary>
    public static CloseReason Faulty(StompFault fault) => new(fault.Summary, fault);
}
