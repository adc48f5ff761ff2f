namespace Millrace;

/// <summary>Whether a sender waits until its message is as durable as the store promises.</summary>
public enum MessageDurability
{
    /// <summary>The store's own durability: the call returns when the message is that safe (law Q1).</summary>
    Default,

    /// <summary>The sender waives durability for this message: a crash may lose it, and the call may return earlier.</summary>
    None,
}
