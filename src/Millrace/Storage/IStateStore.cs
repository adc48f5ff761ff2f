namespace Millrace.Storage;

/// <summary>
/// A store of small documents with compare-and-swap (laws V1–V3). Safe for concurrent use. Keys are 1 to <see cref="MaxKeyBytes"/> bytes of UTF-8 without control characters;
/// values are at most <see cref="MaxValueBytes"/>.
/// </summary>
public interface IStateStore
{
    /// <summary>The longest key, in bytes of UTF-8: a name of 200 bytes, and what is put before it.</summary>
    const int MaxKeyBytes = 256;

    /// <summary>The largest value: 1 MiB.</summary>
    const int MaxValueBytes = 1024 * 1024;

    /// <summary>The version that stands for "does not exist".</summary>
    const long Absent = 0;

    /// <summary>Reads a document; null when there is none.</summary>
    ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Writes a document if its version is still <paramref name="expectedVersion"/> (V1).</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The new value; copied.</param>
    /// <param name="expectedVersion">The version that was read; <see cref="Absent"/> to create; null to write whatever is there.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the write.</param>
    ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default);

    /// <summary>Deletes a document if its version is still <paramref name="expectedVersion"/>; null: whatever is there. Deleting what does not exist is written when null or <see cref="Absent"/> was expected.</summary>
    ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default);

    /// <summary>Documents whose key starts with <paramref name="prefix"/>, in ordinal order of their UTF-8 bytes (V2).</summary>
    /// <param name="prefix">Empty for all.</param>
    /// <param name="after">The last key of the page before; null for the first page.</param>
    /// <param name="limit">At most so many, 1 to 1,000.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default);

    /// <summary>Returns when something under <paramref name="prefix"/> has changed since <paramref name="revision"/> (V3), deletions included; at once if it has already.</summary>
    /// <param name="prefix">Empty for all.</param>
    /// <param name="revision">A revision from an earlier call: of a document, a page, or this method. 0: any change ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The store's revision now. Changes may be reported that were not under the prefix; none that was is missed.</returns>
    ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default);
}

/// <summary>A stored document.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Value">Its value.</param>
/// <param name="Version">The store's revision at its last write: rises with every write, never repeats for a key, even after a deletion.</param>
public sealed record StateDocument(string Key, ReadOnlyMemory<byte> Value, long Version);

/// <summary>The outcome of a write.</summary>
/// <param name="Written">Whether the expected version was right and the write was made.</param>
/// <param name="Version">The document's version now: the new one if written; the one that stood in the way if not; <see cref="IStateStore.Absent"/> if there is none.</param>
public readonly record struct StateWriteResult(bool Written, long Version);

/// <summary>A page of documents.</summary>
/// <param name="Documents">The documents; fewer than the limit at the end.</param>
/// <param name="Revision">The store's revision when the page was read.</param>
public sealed record StatePage(IReadOnlyList<StateDocument> Documents, long Revision);
