namespace Millrace.Client;

/// <summary>What became of a message that was sent.</summary>
public enum SendOutcome
{
    /// <summary>Stored, as durably as the store promises.</summary>
    Stored,

    /// <summary>The queue has had a message with this id within its window; that one stands.</summary>
    Duplicate,

    /// <summary>A middleware took it out of the send; nothing was stored.</summary>
    Suppressed,
}

/// <summary>The answer to one message that was sent.</summary>
/// <param name="Id">The message's id: the sender's, or the one that the store assigned; the sender's or empty when it was suppressed.</param>
/// <param name="Outcome">What became of it.</param>
public readonly record struct SendResult(MessageId Id, SendOutcome Outcome)
{
    /// <summary>Whether this call stored the message.</summary>
    public bool IsStored => Outcome == SendOutcome.Stored;
}
