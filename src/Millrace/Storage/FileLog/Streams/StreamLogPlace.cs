using Microsoft.Extensions.Logging;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>Where a partition is, and with what it works.</summary>
internal sealed record StreamLogPlace
{
    public required string Stream { get; init; }

    public required int Partition { get; init; }

    public required string Folder { get; init; }

    public required IFileSystem Files { get; init; }

    public required FileLogOptions LogOptions { get; init; }

    public required FlushThreads Threads { get; init; }

    public required StreamCapabilities Capabilities { get; init; }

    public required TimeProvider Time { get; init; }

    public required DamageNotes Damage { get; init; }

    public required ILogger Logger { get; init; }
}
