namespace Millrace.Redis.Client.Connections;

/// <summary>Whether a connection has taken an operation.</summary>
internal enum SendOutcome : byte
{
    /// <summary>It will be written, and answered or cut.</summary>
    Taken,

    /// <summary>Too much waits already: see <see cref="RedisConnection.WaitForRoomAsync"/>.</summary>
    Full,

    /// <summary>The connection has ended.</summary>
    Ended,
}
