namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>The job of the schedules of the simulation: slow, or failing, as the seed wants it.</summary>
[Job(Name)]
internal sealed record SimulatedJob
{
    public const string Name = "work";
}
