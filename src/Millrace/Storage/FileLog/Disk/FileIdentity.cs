namespace Millrace.Storage.FileLog.Disk;

/// <summary>What tells a file apart from another one that got its name after it. Files of which nothing better is known are all alike.</summary>
/// <param name="Device">The device that it is on.</param>
/// <param name="Number">Its number there, which another file may get when it is gone.</param>
/// <param name="Born">When it was made, as far as the file system knows: so that one with the same number is another.</param>
internal readonly record struct FileIdentity(ulong Device, ulong Number, long Born);
