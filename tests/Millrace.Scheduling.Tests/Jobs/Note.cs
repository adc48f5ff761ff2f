using System.ComponentModel.DataAnnotations;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>The arguments of most tests' jobs.</summary>
public sealed record Note([property: Range(0, 1_000_000)] int Number);

/// <summary>What follows a note.</summary>
[Job("follow-up")]
public sealed record Following(int Number);
