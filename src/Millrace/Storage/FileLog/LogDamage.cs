namespace Millrace.Storage.FileLog;

/// <summary>Where a log could not be read as it was written.</summary>
/// <param name="File">The name of the file.</param>
/// <param name="Offset">The offset in it of the first byte that is lost.</param>
/// <param name="Position">The same as a position of the log.</param>
/// <param name="Reason">What is wrong there.</param>
/// <param name="IsTorn">Whether it looks like an append that a crash has cut off, which nobody was told is stored, rather than like damage to what was stored.</param>
internal sealed record LogDamage(string File, long Offset, long Position, string Reason, bool IsTorn);
