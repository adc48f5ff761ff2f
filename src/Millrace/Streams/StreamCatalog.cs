using System.Collections.Concurrent;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>
/// The streams of one client: which there are and what they are (kept in the <see cref="IStateStore"/>), their partitions, and their consumer groups.
/// Safe for concurrent use.
/// </summary>
public sealed partial class StreamCatalog
{
    private const int MaxPage = 1000;

    // What another process did to a stream is noticed after so long at the latest; a request for a partition need not read the metadata every time.
    private static readonly TimeSpan TrustedFor = TimeSpan.FromSeconds(1);

    private readonly IStreamStore _store;
    private readonly IStateStore _state;
    private readonly TimeProvider _timeProvider;
    private readonly StreamPartitions _partitions;
    private readonly ConcurrentDictionary<string, (StreamInfo Info, long ReadAt)> _known = new(StringComparer.Ordinal);

    internal StreamCatalog(IStreamStore store, IStateStore state, TimeProvider timeProvider)
    {
        _store = store;
        _state = state;
        _timeProvider = timeProvider;
        _partitions = new StreamPartitions(store);
    }

    internal StreamCapabilities Capabilities => _store.Capabilities;

    internal IStateStore State => _state;

    /// <summary>Creates a stream.</summary>
    /// <returns>False when it existed with the same partitions and path; its retention is then left as it is.</returns>
    /// <exception cref="StreamMismatchException">It exists with another partition count or path.</exception>
    /// <exception cref="MillraceConfigurationException">A setting is out of range.</exception>
    public async ValueTask<bool> CreateAsync(string stream, StreamSettings settings, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(stream, "stream");
        ArgumentNullException.ThrowIfNull(settings);
        StreamPartitions.ContextOf(new StreamInfo(stream, settings, default), 0).Validate();
        var document = new StreamDocument
        {
            Partitions = settings.Partitions,
            Path = settings.Path,
            MaxAge = settings.Retention.MaxAge,
            MaxBytes = settings.Retention.MaxBytes,
            MaxRecords = settings.Retention.MaxRecords,
            CreatedAt = _timeProvider.GetUtcNow(),
            Backend = _store.Capabilities.Backend,
        };
        while (true)
        {
            if (await ReadAsync(stream, cancellationToken).ConfigureAwait(false) is { } found)
            {
                if (!found.Document.IsDeleting)
                {
                    RequireMatch(stream, found.Document, settings);
                    Remember(stream, found.Document);
                    return false;
                }

                await FinishDeletionAsync(stream, found, cancellationToken).ConfigureAwait(false);
            }

            var written = await _state.PutAsync(StreamKeys.OfStream(stream), StreamDocuments.Write(document), IStateStore.Absent, cancellationToken).ConfigureAwait(false);
            if (written.Written)
            {
                await ProveAsync(stream, document, written.Version, cancellationToken).ConfigureAwait(false);
                return true;
            }
        }
    }

    /// <summary>A stream; null when there is none.</summary>
    public async ValueTask<StreamInfo?> GetAsync(string stream, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(stream, "stream");
        if (await ReadAsync(stream, cancellationToken).ConfigureAwait(false) is not { Document: { IsDeleting: false } document })
        {
            _known.TryRemove(stream, out _);
            _partitions.Forget(stream);
            return null;
        }

        RequireBackend(stream, document);
        var info = Remember(stream, document);
        await _partitions.ApplyRetentionAsync(info, cancellationToken).ConfigureAwait(false);
        return info;
    }

    /// <summary>The streams whose names start with <paramref name="prefix"/>, in the order of their UTF-8 bytes.</summary>
    /// <param name="prefix">Empty for all.</param>
    /// <param name="after">The last name of the page before; null for the first page.</param>
    /// <param name="limit">At most so many, 1 to 1,000.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Fewer than the limit only at the end.</returns>
    public async ValueTask<IReadOnlyList<StreamInfo>> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MaxPage);
        var found = new List<StreamInfo>();
        var last = after is null ? null : StreamKeys.OfStream(after);
        while (found.Count < limit)
        {
            var wanted = limit - found.Count;
            var page = await _state.ListAsync(StreamKeys.OfStream(prefix), last, wanted, cancellationToken).ConfigureAwait(false);
            found.AddRange(page.Documents
                .Select(document => (Name: document.Key[StreamKeys.StreamPrefix.Length..], Document: StreamDocuments.ReadStream(document)))
                .Where(stream => !stream.Document.IsDeleting)
                .Select(stream => stream.Document.ToInfo(stream.Name)));
            if (page.Documents.Count < wanted)
            {
                break;
            }

            last = page.Documents[^1].Key;
        }

        return found;
    }

    /// <summary>Changes how long a stream keeps its records. Other processes that have it open follow within a second of their next use.</summary>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    /// <exception cref="MillraceConfigurationException">A bound is not positive.</exception>
    public async ValueTask SetRetentionAsync(string stream, StreamRetention retention, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(stream, "stream");
        ArgumentNullException.ThrowIfNull(retention);
        retention.Validate();
        while (true)
        {
            if (await ReadAsync(stream, cancellationToken).ConfigureAwait(false) is not { Document.IsDeleting: false } found)
            {
                throw new StreamNotFoundException(stream);
            }

            var changed = found.Document with { MaxAge = retention.MaxAge, MaxBytes = retention.MaxBytes, MaxRecords = retention.MaxRecords };
            if ((await _state.PutAsync(StreamKeys.OfStream(stream), StreamDocuments.Write(changed), found.Version, cancellationToken).ConfigureAwait(false)).Written)
            {
                await _partitions.ApplyRetentionAsync(Remember(stream, changed), cancellationToken).ConfigureAwait(false);
                return;
            }
        }
    }

    /// <summary>Deletes a stream with its records and groups.</summary>
    /// <returns>False when there was none.</returns>
    public async ValueTask<bool> DeleteAsync(string stream, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(stream, "stream");
        while (true)
        {
            if (await ReadAsync(stream, cancellationToken).ConfigureAwait(false) is not { } found)
            {
                return false;
            }

            if (!found.Document.IsDeleting)
            {
                // Marked first: a deletion that is cut short is finished by whoever comes next, and nobody opens what is half gone.
                var marked = found.Document with { IsDeleting = true };
                var written = await _state.PutAsync(StreamKeys.OfStream(stream), StreamDocuments.Write(marked), found.Version, cancellationToken).ConfigureAwait(false);
                if (!written.Written)
                {
                    continue;
                }

                found = (marked, written.Version);
            }

            await FinishDeletionAsync(stream, found, cancellationToken).ConfigureAwait(false);
            return true;
        }
    }

    /// <summary>How much a stream holds, partition by partition.</summary>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    public async ValueTask<StreamStats> GetStatsAsync(string stream, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(stream, "stream");
        return await UseAsync(
            stream,
            async info =>
            {
                var partitions = new StreamPartitionStats[info.Settings.Partitions];
                for (var i = 0; i < partitions.Length; i++)
                {
                    partitions[i] = await GetPartitionStatsAsync(info, i, cancellationToken).ConfigureAwait(false);
                }

                return new StreamStats(stream, partitions);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A partition of a stream that exists. It is shared with every other caller: do not dispose it.</summary>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    /// <exception cref="MillraceConfigurationException">The stream has no such partition.</exception>
    public async ValueTask<IStreamPartition> OpenPartitionAsync(string stream, int partition, CancellationToken cancellationToken = default)
    {
        var info = await RequireAsync(stream, cancellationToken).ConfigureAwait(false);
        return await OpenAsync(info, partition, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Uses a stream as it is known. A partition whose stream was deleted answers that it is unavailable: if it was, that is said, and if another one is there in its place, that is used.
    /// </summary>
    private async ValueTask<T> UseAsync<T>(string stream, Func<StreamInfo, ValueTask<T>> use, CancellationToken cancellationToken)
    {
        var info = await RequireAsync(stream, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            try
            {
                return await use(info).ConfigureAwait(false);
            }
            catch (BackendUnavailableException)
            {
                var now = await GetAsync(stream, cancellationToken).ConfigureAwait(false) ?? throw new StreamNotFoundException(stream);
                if (now.CreatedAt == info.CreatedAt)
                {
                    throw;
                }

                info = now;
            }
        }
    }

    private async ValueTask<StreamPartitionStats> GetPartitionStatsAsync(StreamInfo info, int partition, CancellationToken cancellationToken)
    {
        var opened = await OpenAsync(info, partition, cancellationToken).ConfigureAwait(false);
        return await opened.GetStatsAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<IStreamPartition> OpenAsync(StreamInfo info, int partition, CancellationToken cancellationToken)
    {
        if ((uint)partition >= (uint)info.Settings.Partitions)
        {
            StreamPartitions.ContextOf(info, partition).Validate();
        }

        return await _partitions.OpenAsync(info, partition, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Closes the partitions.</summary>
    internal ValueTask CloseAsync() => _partitions.CloseAsync();

    /// <summary>A stream that must exist, as it was at most a second ago.</summary>
    internal async ValueTask<StreamInfo> RequireAsync(string stream, CancellationToken cancellationToken) =>
        _known.TryGetValue(stream, out var known) && _timeProvider.GetElapsedTime(known.ReadAt) < TrustedFor
            ? known.Info
            : await GetAsync(stream, cancellationToken).ConfigureAwait(false) ?? throw new StreamNotFoundException(stream);

    /// <summary>A stream for one who uses it: created if it is not there and may be.</summary>
    internal async ValueTask<StreamInfo> EnsureAsync(string stream, StreamSettings? settings, bool create, CancellationToken cancellationToken)
    {
        if (await GetAsync(stream, cancellationToken).ConfigureAwait(false) is null && create)
        {
            await CreateAsync(stream, settings ?? new StreamSettings(), cancellationToken).ConfigureAwait(false);
        }

        var info = await RequireAsync(stream, cancellationToken).ConfigureAwait(false);
        if (settings is not null)
        {
            RequireMatch(stream, info.Settings.Partitions, info.Settings.Path, settings);
        }

        return info;
    }

    /// <summary>A store may refuse the stream, as memory does a path: then it was not created.</summary>
    private async ValueTask ProveAsync(string stream, StreamDocument document, long version, CancellationToken cancellationToken)
    {
        try
        {
            await _partitions.OpenAsync(Remember(stream, document), 0, cancellationToken).ConfigureAwait(false);
        }
        catch (MillraceConfigurationException)
        {
            _known.TryRemove(stream, out _);
            _partitions.Forget(stream);
            await _state.DeleteAsync(StreamKeys.OfStream(stream), version, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    private async ValueTask FinishDeletionAsync(string stream, (StreamDocument Document, long Version) found, CancellationToken cancellationToken)
    {
        _known.TryRemove(stream, out _);
        _partitions.Forget(stream);
        await DeleteAllAsync(StreamKeys.OfGroups(stream), cancellationToken).ConfigureAwait(false);
        var info = found.Document.ToInfo(stream);
        for (var partition = 0; partition < info.Settings.Partitions; partition++)
        {
            await _store.DeletePartitionAsync(StreamPartitions.ContextOf(info, partition), cancellationToken).ConfigureAwait(false);
        }

        await _state.DeleteAsync(StreamKeys.OfStream(stream), found.Version, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<bool> DeleteAllAsync(string prefix, CancellationToken cancellationToken)
    {
        var any = false;
        while (true)
        {
            var page = await _state.ListAsync(prefix, null, MaxPage, cancellationToken).ConfigureAwait(false);
            foreach (var document in page.Documents)
            {
                await _state.DeleteAsync(document.Key, null, cancellationToken).ConfigureAwait(false);
                any = true;
            }

            if (page.Documents.Count < MaxPage)
            {
                return any;
            }
        }
    }

    private async ValueTask<(StreamDocument Document, long Version)?> ReadAsync(string stream, CancellationToken cancellationToken) =>
        await _state.GetAsync(StreamKeys.OfStream(stream), cancellationToken).ConfigureAwait(false) is { } document
            ? (StreamDocuments.ReadStream(document), document.Version)
            : null;

    private StreamInfo Remember(string stream, StreamDocument document)
    {
        var info = document.ToInfo(stream);
        _known[stream] = (info, _timeProvider.GetTimestamp());
        return info;
    }

    private void RequireMatch(string stream, StreamDocument found, StreamSettings asked)
    {
        RequireBackend(stream, found);
        RequireMatch(stream, found.Partitions, found.Path, asked);
    }

    private static void RequireMatch(string stream, int partitions, string? path, StreamSettings asked)
    {
        if (partitions != asked.Partitions)
        {
            throw new StreamMismatchException(
                $"Stream '{stream}' has {partitions:N0} partitions and was asked for with {asked.Partitions:N0}. Ask for {partitions:N0}, or delete the stream first: keys would move otherwise.");
        }

        if (!string.Equals(path, asked.Path, StringComparison.Ordinal))
        {
            throw new StreamMismatchException($"Stream '{stream}' was created with {Shown(path)} and was asked for with {Shown(asked.Path)}. Its path never changes.");
        }
    }

    private void RequireBackend(string stream, StreamDocument found)
    {
        // A client of a server stands for whatever the server keeps its streams in.
        const string server = "http";
        var own = _store.Capabilities.Backend;
        if (found.Backend != own && found.Backend != server && own != server)
        {
            throw new StreamMismatchException(
                $"Stream '{stream}' was created in the backend '{found.Backend}', and this client keeps its streams in '{own}'. Open it with '{found.Backend}', or give '{own}' a state store of its own.");
        }
    }

    private static string Shown(string? path) => path is null ? "no path" : $"the path '{path}'";
}
