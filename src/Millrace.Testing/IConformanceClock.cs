namespace Millrace.Testing;

/// <summary>
/// The time of a conformance suite. Suites let leases, delays and windows pass only through <see cref="AdvanceAsync"/>, so the same tests run on a fake clock
/// (<see cref="ManualConformanceClock"/>) and against servers whose time cannot be moved (<see cref="RealConformanceClock"/>).
/// </summary>
public interface IConformanceClock
{
    /// <summary>The clock to open the backend with, through <see cref="Storage.BackendContext.TimeProvider"/>.</summary>
    TimeProvider TimeProvider { get; }

    /// <summary>The length of leases, delays, lifetimes and windows that a test lets pass. Tests also use small multiples of it.</summary>
    TimeSpan Unit { get; }

    /// <summary>A lease that no test outlives.</summary>
    TimeSpan LongLease { get; }

    /// <summary>How far beyond a moment a test goes before it expects the moment's effect; zero when the clock is exact.</summary>
    TimeSpan Margin { get; }

    /// <summary>Lets <paramref name="by"/> pass, and gives what it has set in motion a chance to run.</summary>
    ValueTask AdvanceAsync(TimeSpan by, CancellationToken cancellationToken = default);
}
