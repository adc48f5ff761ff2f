namespace Millrace.Storage.FileLog.Disk;

/// <summary>Small files that are replaced as a whole: a reader finds the old content or the new, whatever happens in between.</summary>
internal static class DurableFile
{
    private const string UnfinishedExtension = ".new";

    /// <summary>Writes a file anew.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="path">The file.</param>
    /// <param name="content">What it holds from then on; at least a byte.</param>
    /// <param name="flush">Whether it survives a power cut when the call returns.</param>
    public static void Write(IFileSystem files, string path, ReadOnlySpan<byte> content, bool flush)
    {
        var unfinished = path + UnfinishedExtension;
        files.Delete(unfinished);
        using (var file = files.Create(unfinished, content.Length))
        {
            WriteAll(file, path, content, 0);
            if (flush)
            {
                file.Flush();
            }
        }

        files.Rename(unfinished, path);
        if (flush)
        {
            files.FlushFolder(Path.GetDirectoryName(path)!);
        }
    }

    /// <summary>Writes all of some bytes, however little the file takes at once.</summary>
    public static void WriteAll(IStorageFile file, string path, ReadOnlySpan<byte> bytes, long offset)
    {
        while (bytes.Length > 0)
        {
            var written = file.Write(bytes, offset);
            if (written <= 0)
            {
                throw new IOException($"The file '{Path.GetFileName(path)}' took nothing of a write.");
            }

            offset += written;
            bytes = bytes[written..];
        }
    }

    /// <summary>Reads a whole file; null when there is none.</summary>
    /// <exception cref="StorageCorruptException">It is longer than it can be.</exception>
    public static byte[]? Read(IFileSystem files, string path, long maxBytes)
    {
        if (!files.FileExists(path))
        {
            return null;
        }

        using var file = files.Open(path, readOnly: true);
        var length = file.Length;
        if (length > maxBytes)
        {
            throw new StorageCorruptException($"The file '{Path.GetFileName(path)}' has {length:N0} bytes, more than it can have: it is damaged, or of another program.");
        }

        var content = new byte[length];
        return content[..ReadUpTo(file, content, 0)];
    }

    /// <summary>Reads as much as there is.</summary>
    /// <returns>How many bytes: fewer than wanted only at the end of the file.</returns>
    public static int ReadUpTo(IStorageFile file, Span<byte> into, long offset)
    {
        var count = 0;
        while (count < into.Length)
        {
            var read = file.Read(into[count..], offset + count);
            if (read <= 0)
            {
                break;
            }

            count += read;
        }

        return count;
    }
}
