using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Storage.FileLog.Disk;
using Millrace.Testing;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>A folder of the backend <c>file:</c> on a simulated disk, which tests open, damage and open again.</summary>
internal sealed class SimulatedFolder
{
    public static readonly string Root = Path.GetFullPath("/millrace-simulated/data");

    public SimulatedFileSystem Disk { get; } = new();

    public ManualTimeProvider Clock { get; set; } = new();

    public string Options { get; init; } = "segmentBytes=4096";

    public ILoggerFactory Logger { get; init; } = NullLoggerFactory.Instance;

    public async Task<FileBackend> OpenAsync(IFileSystem? files = null) => await FileBackend.OpenAsync(
        files ?? Disk, FileBackendOptions.Parse(BackendUrl.Parse($"file://{Root}?{Options}")), new BackendContext { TimeProvider = Clock, LoggerFactory = Logger });

    /// <summary>The files in a folder of the backend, and those in it, in order.</summary>
    public List<string> Files(string folder)
    {
        var path = Path.Combine(Root, folder);
        return [.. Disk.ListFiles(path).Select(file => Path.Combine(path, file.Name)).Order(StringComparer.Ordinal), .. Disk.ListFolders(path).Order(StringComparer.Ordinal).SelectMany(name => Files(Path.Combine(folder, name)))];
    }

    /// <summary>The same folder on another disk, where one file is another.</summary>
    public SimulatedFolder With(string file, byte[] content, ILoggerFactory logger)
    {
        var copy = new SimulatedFolder { Options = Options, Clock = Clock, Logger = logger };
        foreach (var path in Files(""))
        {
            var bytes = path == file ? content : Disk.Content(path);
            copy.Disk.CreateFolder(Path.GetDirectoryName(path)!);
            using var made = copy.Disk.Create(path, bytes.Length);
            made.Write(bytes, 0);
        }

        return copy;
    }

    public List<string> Segments() => Files("journal").FindAll(file => file.EndsWith(".log", StringComparison.Ordinal));

    /// <summary>Flips a bit of a file.</summary>
    public void Flip(string file, int at) => Disk.Content(file)[at] ^= 4;

    /// <summary>Flips a bit wherever a text stands in the journal.</summary>
    /// <returns>How often it was found.</returns>
    public int Flip(string text)
    {
        var found = 0;
        foreach (var file in Segments())
        {
            var at = Disk.Content(file).AsSpan().IndexOf(Encoding.UTF8.GetBytes(text));
            if (at >= 0)
            {
                Flip(file, at);
                found++;
            }
        }

        return found;
    }

    public static async Task SendAsync(Backend backend, string queue, string text, string? id = null, TimeSpan delay = default, TimeSpan? life = null)
    {
        var envelope = new Envelope(Encoding.UTF8.GetBytes(text)) { Id = id is null ? default : new MessageId(id), Delay = delay, TimeToLive = life };
        await backend.Queues!.EnqueueAsync(queue, new[] { envelope }, default);
    }

    /// <summary>Takes and completes everything that is ready.</summary>
    public static async Task<List<string>> DrainAsync(Backend backend, string queue)
    {
        var texts = new List<string>();
        await using var receiver = await backend.Queues!.OpenReceiverAsync(queue, new ReceiverOptions());
        var into = new Delivery[10];
        int count;
        while ((count = await receiver.LeaseAsync(into, TimeSpan.Zero)) > 0)
        {
            texts.AddRange(into[..count].Select(delivery => Encoding.UTF8.GetString(delivery.Message.Body.Span)));
            await backend.Queues.SettleAsync(queue, into[..count].Select(delivery => Settlement.Complete(delivery.Token)).ToArray(), default);
        }

        return texts;
    }
}
