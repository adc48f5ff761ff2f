namespace Millrace.Scheduling.Triggers;

/// <summary>One instant.</summary>
internal sealed class OnceTrigger(DateTimeOffset at) : Trigger
{
    public DateTimeOffset At { get; } = RoundUp(at);

    public override DateTimeOffset? Next(DateTimeOffset after) => after < At ? At : null;

    public override bool Equals(Trigger? other) => other is OnceTrigger once && once.At == At;

    public override int GetHashCode() => At.GetHashCode();

    public override string ToString() => $"at {TriggerText.Format(At)}";
}
