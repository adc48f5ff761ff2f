namespace Millrace.Testing;

/// <summary>The real time as a suite's clock, for servers. Leases and delays are 300 ms, so that the suites stay short.</summary>
public sealed class RealConformanceClock : IConformanceClock
{
    /// <inheritdoc/>
    public TimeProvider TimeProvider => TimeProvider.System;

    /// <summary>300 ms.</summary>
    public TimeSpan Unit => TimeSpan.FromMilliseconds(300);

    /// <summary>One minute.</summary>
    public TimeSpan LongLease => TimeSpan.FromMinutes(1);

    /// <summary>150 ms: what a busy machine or a server that looks at its timers in intervals may take longer.</summary>
    public TimeSpan Margin => TimeSpan.FromMilliseconds(150);

    /// <inheritdoc/>
    public ValueTask AdvanceAsync(TimeSpan by, CancellationToken cancellationToken = default) =>
        new(Task.Delay(by, TimeProvider.System, cancellationToken));
}
