using System.Text.Json;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>What a stream's folder says of the stream: its name, its partitions, and where they are.</summary>
/// <remarks><c>{"format":1,"stream":"orders","partitions":4,"path":null}</c>, in the file <c>stream.json</c>.</remarks>
/// <param name="Stream">Its name.</param>
/// <param name="Partitions">How many partitions it has.</param>
/// <param name="Path">Where its partitions are, when they are not in the folder of the store.</param>
internal sealed record StreamManifest(string Stream, int Partitions, string? Path)
{
    private const string FileName = "stream.json";
    private const int Format = 1;
    private const int MaxFileBytes = 64 * 1024;

    /// <summary>Reads the manifest of a folder; null when there is none.</summary>
    /// <exception cref="StorageCorruptException">It cannot be read.</exception>
    public static StreamManifest? Load(IFileSystem files, string folder)
    {
        var content = DurableFile.Read(files, System.IO.Path.Combine(folder, FileName), MaxFileBytes);
        if (content is null)
        {
            return null;
        }

        try
        {
            using var json = JsonDocument.Parse(content);
            var root = json.RootElement;
            var format = root.GetProperty("format").GetInt32();
            return format == Format
                ? new StreamManifest(root.GetProperty("stream").GetString()!, root.GetProperty("partitions").GetInt32(), root.GetProperty("path").GetString())
                : throw Unreadable(folder, $"it has format {format}, and this version of Millrace reads format {Format}", null);
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw Unreadable(folder, "it is no manifest of a stream", fault);
        }
    }

    /// <summary>Which file the manifest of a folder is; null when there is none.</summary>
    public static FileIdentity? IdentityIn(IFileSystem files, string folder) => files.IdentityOf(System.IO.Path.Combine(folder, FileName));

    /// <summary>Writes the manifest durably.</summary>
    public void Save(IFileSystem files, string folder)
    {
        using var content = new MemoryStream();
        using (var json = new Utf8JsonWriter(content))
        {
            json.WriteStartObject();
            json.WriteNumber("format", Format);
            json.WriteString("stream", Stream);
            json.WriteNumber("partitions", Partitions);
            json.WriteString("path", Path);
            json.WriteEndObject();
        }

        DurableFile.Write(files, System.IO.Path.Combine(folder, FileName), content.GetBuffer().AsSpan(0, (int)content.Length), flush: true);
    }

    private static StorageCorruptException Unreadable(string folder, string reason, Exception? fault) => new(
        $"The file '{FileName}' in the folder '{System.IO.Path.GetFileName(folder)}' cannot be read: {reason}. Restore it, or move the folder away; nothing was changed.", fault);
}
