namespace Millrace.Storage.Http.Wire;

/// <summary>The types of server-sent events.</summary>
internal static class EventNames
{
    /// <summary>A message; what a browser takes an event without a type for.</summary>
    public const string Message = "message";

    /// <summary>Messages are missing here.</summary>
    public const string Gap = "gap";

    /// <summary>The server had to drop so many messages, because they came faster than the connection took them.</summary>
    public const string Dropped = "dropped";

    /// <summary>The subscription has ended by its policy.</summary>
    public const string Disconnected = "disconnected";

    /// <summary>How often a server says something on a quiet stream; a client that hears nothing for three times as long gives the connection up.</summary>
    public static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);
}
