namespace Millrace.Storage.FileLog.Disk;

/// <summary>
/// A file that is in use no longer has its name, or another one has it: somebody has removed, moved or replaced it or its folder. It takes writes and flushes as before, and what they stored is gone with
/// the process.
/// </summary>
internal sealed class FileDisplacedException(string name) : IOException($"'{name}' was removed, moved or replaced while it was in use");
