using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>What an ACK or NACK frame wants to happen to a delivery.</summary>
/// <param name="IsAccepted">ACK; else NACK.</param>
/// <param name="IsDeadLettered">For a NACK: whether it becomes a dead letter at once.</param>
/// <param name="Delay">For a NACK: how long until it is ready again.</param>
internal readonly record struct AckRequest(bool IsAccepted, bool IsDeadLettered, TimeSpan Delay)
{
    private const string RejectedReason = "rejected";

    /// <summary>The settlement of one delivery.</summary>
    public Settlement SettlementOf(LeaseToken token) =>
        IsAccepted ? Settlement.Complete(token)
        : IsDeadLettered ? Settlement.DeadLetter(token, RejectedReason)
        : Settlement.Release(token, Delay);
}

/// <summary>A settlement that waits for the end of a transaction.</summary>
internal readonly record struct EnlistedSettlement(QueueSubscription Subscription, long Number, Settlement Settlement);
