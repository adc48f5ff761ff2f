using Millrace.Scheduling.Schedules;
using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>What the ledger knows of an occurrence that some node has claimed.</summary>
internal sealed class ClaimedOccurrence(string schedule, int life, long version, OpenOccurrence open, TimeSpan claimedAt)
{
    public string Id => open.Id;

    public string Schedule => schedule;

    /// <summary>Schedules are removed and defined again under the same name: which of them it belongs to.</summary>
    public int Life => life;

    public long Version => version;

    public DateTimeOffset Due => open.Due;

    public TimeSpan ClaimedAt => claimedAt;

    public bool IsAskedFor => ScheduleKeys.IsAskedFor(open.Id);

    public bool IsSent { get; set; }

    public int Leases { get; set; }

    public int Starts { get; set; }

    public int SkippedRecords { get; set; }

    /// <summary>Whether a node has marked it to be cancelled.</summary>
    public bool IsMarked { get; set; }

    /// <summary>Whether it has ended by that, which it may without having started.</summary>
    public bool IsCancelled { get; set; }

    /// <summary>Whether it has ended by failing.</summary>
    public bool HasFailed { get; set; }

    /// <summary>Since which event it is not open any more.</summary>
    public long? EndedAt { get; set; }

    /// <summary>Since which event its schedule has another version, or is gone. One that has been tried by then goes on, unless nothing is left of its schedule.</summary>
    public long? SupersededAt { get; set; }

    /// <summary>Since which event nothing is left of its schedule.</summary>
    public long? RemovedAt { get; set; }

    public bool IsRemoved => RemovedAt is not null;
}

/// <summary>One delivery of an occurrence to a worker.</summary>
internal sealed class LeasedRun(ClaimedOccurrence occurrence, SimulatedMachine machine, LeaseToken token, int attempt, long leasedAt)
{
    public ClaimedOccurrence Occurrence => occurrence;

    public SimulatedMachine Machine => machine;

    public LeaseToken Token => token;

    public int Attempt => attempt;

    /// <summary>At which event it was leased.</summary>
    public long LeasedAt => leasedAt;

    /// <summary>When the lease ends unless it is renewed.</summary>
    public TimeSpan LiveUntil { get; set; }

    public bool IsSettled { get; set; }

    public bool IsStarted { get; set; }

    public bool IsFinished { get; set; }

    public bool IsRunning => IsStarted && !IsFinished && !machine.IsDead;

    public bool IsLive(TimeSpan now) => !IsSettled && LiveUntil > now;
}

/// <summary>What the ledger knows of a schedule.</summary>
internal sealed class KnownSchedule
{
    /// <summary>How often it has been created.</summary>
    public int Life { get; set; }

    /// <summary>As it is; null after it was removed.</summary>
    public ScheduleDocument? Current { get; set; }

    /// <summary>The versions of this life.</summary>
    public HashSet<long> OfThisLife { get; } = [];

    /// <summary>Each version as it was written last.</summary>
    public Dictionary<long, ScheduleDocument> Versions { get; } = [];
}
