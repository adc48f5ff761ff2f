namespace Millrace.Scheduling.Jobs;

/// <summary>How far a job said that it is. Immutable, so that a job may report from any thread.</summary>
internal sealed record ProgressReport(double Fraction, string? Text);
