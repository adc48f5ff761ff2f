using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>
/// The streams of one client: which there are and what they are (kept in the <see cref="IStateStore"/>), their partitions, and their consumer groups.
/// Safe for concurrent use.
/// </summary>
public sealed class StreamCatalog
{
    /// <summary>Creates a stream.</summary>
    /// <returns>False when it existed with the same partitions and path; its retention is then left as it is.</returns>
    /// <exception cref="StreamMismatchException">It exists with another partition count or path.</exception>
    public ValueTask<bool> CreateAsync(string stream, StreamSettings settings, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>A stream; null when there is none.</summary>
    public ValueTask<StreamInfo?> GetAsync(string stream, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>The streams whose names start with <paramref name="prefix"/>, in the order of their UTF-8 bytes.</summary>
    public ValueTask<IReadOnlyList<StreamInfo>> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Changes how long a stream keeps its records.</summary>
    public ValueTask SetRetentionAsync(string stream, StreamRetention retention, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Deletes a stream with its records and groups.</summary>
    /// <returns>False when there was none.</returns>
    public ValueTask<bool> DeleteAsync(string stream, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>A partition of a stream that exists. It is shared with every other caller: do not dispose it.</summary>
    public ValueTask<IStreamPartition> OpenPartitionAsync(string stream, int partition, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>The names of the groups of a stream.</summary>
    public ValueTask<IReadOnlyList<string>> ListGroupsAsync(string stream, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Where a group stands in each partition; partitions that it never claimed are left out.</summary>
    public ValueTask<IReadOnlyList<StreamGroupPosition>> GetGroupAsync(string stream, string group, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Moves a group in one partition, whoever owns it: the owner is fenced off, claims again, and goes on from there.</summary>
    public ValueTask SeekGroupAsync(string stream, string group, int partition, long offset, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Forgets a group and its offsets.</summary>
    /// <returns>False when there was none.</returns>
    public ValueTask<bool> DeleteGroupAsync(string stream, string group, CancellationToken cancellationToken = default) => throw new NotImplementedException();
}
