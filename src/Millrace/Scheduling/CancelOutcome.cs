namespace Millrace.Scheduling;

/// <summary>What became of the wish to cancel a job.</summary>
public enum CancelOutcome
{
    /// <summary>It waited, and will not run.</summary>
    Cancelled,

    /// <summary>It runs, or is about to: its worker was told, and cancels its token.</summary>
    Requested,

    /// <summary>It has ended, or there is no such job in the queue.</summary>
    NotFound,
}
