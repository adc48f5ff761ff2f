using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Millrace;
using Millrace.Storage;

namespace CustomBackend;

/// <summary>Streams in files of JSON lines, one file a partition.</summary>
public sealed class JsonStreamStore : StreamStoreBase
{
    private readonly string _folder;

    public JsonStreamStore(string folder, TimeProvider time)
        : base(new StreamCapabilities { Backend = "json", Durability = StoreDurability.Full }, time)
    {
        if (!Directory.Exists(folder))
        {
            throw new MillraceConfigurationException($"The folder '{folder}' does not exist. Create it first.");
        }

        _folder = folder;
    }

    protected override StreamPartitionBase CreatePartition(StreamPartitionContext context) =>
        new JsonPartition(context, this, Path.Combine(_folder, $"{Prefix(context.Stream)}{context.Partition}-of-{context.PartitionCount}.jsonl"));

    // The count stands in the files' names, so that it is there from the first partition on.
    protected override ValueTask<int?> FindPartitionCountAsync(string stream)
    {
        var file = Directory.EnumerateFiles(_folder, Prefix(stream) + "*").FirstOrDefault();
        return new(file is null ? null : int.Parse(Path.GetFileNameWithoutExtension(file).Split('-')[^1], CultureInfo.InvariantCulture));
    }

    protected override ValueTask<bool> DeleteStoredAsync(string stream, int partition)
    {
        var files = Directory.GetFiles(_folder, $"{Prefix(stream)}{partition}-of-*");
        Array.ForEach(files, File.Delete);
        return new(files.Length > 0);
    }

    protected override ValueTask CheckAsync()
    {
        using var file = new FileStream(Path.Combine(_folder, "probe"), FileMode.Create, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        return default;
    }

    // A stream's name may hold '/' and '..', differ in case only, and be longer than a file's; its hash is none of that.
    private static string Prefix(string stream) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(stream))) + "-";
}
