namespace Millrace.Storage.FileLog;

/// <summary>What was found in the folder of a log.</summary>
/// <param name="Segments">Its segments, oldest first.</param>
/// <param name="Active">The last of them, open for writing, when there is room behind its last frame; null when the next frame begins a new one.</param>
/// <param name="EndPosition">Where the log ends.</param>
/// <param name="Damage">What was wrong.</param>
internal sealed record RecoveredLog(IReadOnlyList<LogSegment> Segments, LogSegment? Active, long EndPosition, LogDamage? Damage);
