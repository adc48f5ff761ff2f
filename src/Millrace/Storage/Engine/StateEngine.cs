namespace Millrace.Storage.Engine;

/// <summary>The state documents of one backend in this process (laws V1–V3).</summary>
internal sealed class StateEngine(IEngineJournal? journal = null) : IStateStore, IDisposable
{
    // Kind, revision, the length of the value, and the longest key.
    private const int ChangeBytes = 1024;

    private const int MaxPage = 1000;

    // So many latest changes are known by key; whoever asks about older ones is told that something may have changed.
    private const int ChangesKept = 1024;

    // More than can be on their way to the disk at one time.
    private const long RevisionsSkipped = 1 << 24;

    private readonly Lock _gate = new();
    private readonly SortedSet<Slot> _slots = new(Utf8Order.Instance);
    private readonly Dictionary<string, Slot> _byKey = new(StringComparer.Ordinal);
    private readonly string?[] _changed = new string?[ChangesKept];
    private readonly LinkedList<Waiter> _waiters = [];
    private readonly ChangeWriter _changes = new(serial: 0);
    private long _revision;

    // Changes up to this one were made before the store was opened.
    private long _loadedRevision;
    private bool _isDisposed;

    public ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        if (Refuse(key, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<StateDocument?>(refusal);
        }

        lock (_gate)
        {
            return new ValueTask<StateDocument?>(_byKey.GetValueOrDefault(key)?.Document);
        }
    }

    public ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        if (Refuse(key, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<StateWriteResult>(refusal);
        }

        if (value.Length > IStateStore.MaxValueBytes)
        {
            return ValueTask.FromException<StateWriteResult>(
                new InvalidMessageException($"The value of state '{key}' has {value.Length:N0} bytes, the limit is {IStateStore.MaxValueBytes:N0}."));
        }

        return Write(key, value.ToArray(), expectedVersion);
    }

    public ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default) =>
        Refuse(key, cancellationToken) is { } refusal
            ? ValueTask.FromException<StateWriteResult>(refusal)
            : Write(key, null, expectedVersion);

    public ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MaxPage);
        if (Refuse(null, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<StatePage>(refusal);
        }

        var first = after is not null && Utf8Order.Compare(after, prefix) > 0 ? after : prefix;
        var documents = new List<StateDocument>();
        lock (_gate)
        {
            // Keys with one prefix stand side by side.
            foreach (var slot in _slots.GetViewBetween(new Slot(first), Slot.End))
            {
                if (documents.Count == limit || !slot.Key!.StartsWith(prefix, StringComparison.Ordinal))
                {
                    break;
                }

                if (!string.Equals(slot.Key, after, StringComparison.Ordinal))
                {
                    documents.Add(slot.Document!);
                }
            }

            return new ValueTask<StatePage>(new StatePage(documents, _revision));
        }
    }

    public ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        if (Refuse(null, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<long>(refusal);
        }

        LinkedListNode<Waiter> node;
        lock (_gate)
        {
            // Again, under the gate: a waiter that joins after the disposal would be woken by nobody.
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (HasChangedLocked(prefix, revision))
            {
                return new ValueTask<long>(_revision);
            }

            node = _waiters.AddLast(new Waiter(prefix));
        }

        return WaitAsync(node, cancellationToken);
    }

    /// <summary>Puts back a document that the journal has, or takes it away; before the store is used.</summary>
    public void Load(string key, byte[]? value, long revision)
    {
        lock (_gate)
        {
            _loadedRevision = _revision = Math.Max(_revision, revision);
            if (_byKey.Remove(key, out var old))
            {
                _slots.Remove(old);
            }

            if (value is not null)
            {
                var slot = new Slot(key) { Document = new StateDocument(key, value, revision) };
                _byKey.Add(key, slot);
                _slots.Add(slot);
            }
        }
    }

    /// <summary>Writes down every document, for a checkpoint.</summary>
    public void WriteCheckpoint(Action<ChangeWriter> write)
    {
        StateDocument[] documents;
        long revision;
        lock (_gate)
        {
            documents = [.. _slots.Select(slot => slot.Document!)];
            revision = _revision;
        }

        var changes = new ChangeWriter(serial: 0);
        foreach (var document in documents)
        {
            changes.Kind(ChangeKind.StatePut).Text(document.Key).Number(document.Version).Bytes(document.Value.Span);
            write(changes);
        }

        // Revisions never repeat, also where the last one was a deletion.
        changes.Kind(ChangeKind.StateRevision).Number(revision);
        write(changes);
    }

    /// <summary>
    /// Begins anew far above the last revision that the journal has: others may have been seen before a crash took them back, and what was seen with one must not be taken for what is written
    /// with it later (V1).
    /// </summary>
    public async ValueTask BeginAsync()
    {
        if (_revision == 0 || journal is null)
        {
            return;
        }

        JournalRoom room;
        try
        {
            room = journal.Reserve(ChangeBytes, isEssential: true);
        }
        catch (BackendUnavailableException)
        {
            // On a full disk the store opens all the same. No document can be written then either.
            return;
        }

        long end;
        lock (_gate)
        {
            LoadRevision(_revision + RevisionsSkipped);
            var frame = _changes.Kind(ChangeKind.StateRevision).Number(_revision).Frame(DateTimeOffset.UnixEpoch);
            end = journal.Append(room, frame) + frame.Length;
            _changes.Clear();
        }

        await journal.FlushAsync(end).ConfigureAwait(false);
    }

    /// <summary>The revision that the store had at least.</summary>
    public void LoadRevision(long revision)
    {
        lock (_gate)
        {
            _loadedRevision = _revision = Math.Max(_revision, revision);
        }
    }

    public void Dispose()
    {
        Waiter[] waiters;
        lock (_gate)
        {
            _isDisposed = true;
            waiters = [.. _waiters];
            _waiters.Clear();
        }

        foreach (var waiter in waiters)
        {
            waiter.TrySetException(new ObjectDisposedException(nameof(IStateStore), "The state store was disposed while somebody waited for a change."));
        }
    }

    private Exception? Refuse(string? key, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        try
        {
            if (key is not null)
            {
                ResourceName.RequireStateKey(key);
            }

            return cancellationToken.IsCancellationRequested ? new OperationCanceledException(cancellationToken) : null;
        }
        catch (InvalidNameException exception)
        {
            return exception;
        }
    }

    private ValueTask<StateWriteResult> Write(string key, byte[]? value, long? expectedVersion)
    {
        List<Waiter>? woken = null;
        StateWriteResult result;
        long revision;
        JournalRoom room;
        try
        {
            room = journal?.Reserve(ChangeBytes + (value?.Length ?? 0), isEssential: value is null) ?? default;
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException<StateWriteResult>(exception);
        }

        var journalEnd = 0L;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _byKey.TryGetValue(key, out var slot);
            var version = slot?.Document!.Version ?? IStateStore.Absent;
            var isRefused = expectedVersion is not null && expectedVersion != version;
            if (isRefused || (value is null && slot is null))
            {
                journal?.Release(room);
                return new ValueTask<StateWriteResult>(new StateWriteResult(!isRefused, version));
            }

            revision = ++_revision;
            _changed[revision % ChangesKept] = key;
            if (value is null)
            {
                _byKey.Remove(key);
                _slots.Remove(slot!);
            }
            else
            {
                if (slot is null)
                {
                    slot = new Slot(key);
                    _byKey.Add(key, slot);
                    _slots.Add(slot);
                }

                slot.Document = new StateDocument(key, value, revision);
            }

            result = new StateWriteResult(true, value is null ? IStateStore.Absent : revision);
            journalEnd = WriteDownLocked(room, key, value, revision);
            woken = TakeWaitersLocked(key);
        }

        if (journal is null)
        {
            Wake(woken, revision);
            return new ValueTask<StateWriteResult>(result);
        }

        return EndAsync(journal, journalEnd, result, woken, revision);
    }

    private static void Wake(List<Waiter>? woken, long revision)
    {
        foreach (var waiter in woken ?? [])
        {
            waiter.TrySetResult(revision);
        }
    }

    private static async ValueTask<StateWriteResult> EndAsync(IEngineJournal journal, long journalEnd, StateWriteResult result, List<Waiter>? woken, long revision)
    {
        try
        {
            await journal.FlushAsync(journalEnd).ConfigureAwait(false);
        }
        finally
        {
            Wake(woken, revision);
        }

        return result;
    }

    private long WriteDownLocked(JournalRoom room, string key, byte[]? value, long revision)
    {
        if (journal is null)
        {
            return 0;
        }

        if (value is null)
        {
            _changes.Kind(ChangeKind.StateDeleted).Text(key).Number(revision);
        }
        else
        {
            _changes.Kind(ChangeKind.StatePut).Text(key).Number(revision).Bytes(value);
        }

        var frame = _changes.Frame(DateTimeOffset.UnixEpoch);
        var end = journal.Append(room, frame) + frame.Length;
        _changes.Clear();
        return end;
    }

    private List<Waiter>? TakeWaitersLocked(string key)
    {
        List<Waiter>? taken = null;
        for (var node = _waiters.First; node is not null;)
        {
            var next = node.Next;
            if (key.StartsWith(node.Value.Prefix, StringComparison.Ordinal))
            {
                (taken ??= []).Add(node.Value);
                _waiters.Remove(node);
            }

            node = next;
        }

        return taken;
    }

    private bool HasChangedLocked(string prefix, long revision)
    {
        if (revision < _loadedRevision || revision < _revision - ChangesKept)
        {
            return true;
        }

        // No revision above the latest has a change behind it; the highest has no number behind it either.
        for (var changed = Math.Max(Math.Min(revision, _revision), 0) + 1; changed <= _revision; changed++)
        {
            if (_changed[changed % ChangesKept]!.StartsWith(prefix, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    private async ValueTask<long> WaitAsync(LinkedListNode<Waiter> node, CancellationToken cancellationToken)
    {
        try
        {
            return await node.Value.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            lock (_gate)
            {
                if (node.List is not null)
                {
                    _waiters.Remove(node);
                }
            }

            throw;
        }
    }

    private sealed class Waiter(string prefix) : TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public string Prefix { get; } = prefix;
    }

    /// <summary>A document by its key, or a key to search from.</summary>
    private sealed class Slot(string? key)
    {
        /// <summary>Stands after every key.</summary>
        public static readonly Slot End = new(null);

        public string? Key { get; } = key;

        public StateDocument? Document { get; set; }
    }

    /// <summary>The order of keys by their UTF-8 bytes (V2). UTF-16 has it but for surrogates, which belong after everything else.</summary>
    private sealed class Utf8Order : IComparer<Slot>
    {
        public static readonly Utf8Order Instance = new();

        public static int Compare(string left, string right)
        {
            var common = left.AsSpan().CommonPrefixLength(right);
            return common == left.Length || common == right.Length
                ? left.Length.CompareTo(right.Length)
                : RankOf(left[common]).CompareTo(RankOf(right[common]));
        }

        int IComparer<Slot>.Compare(Slot? left, Slot? right) => (left!.Key, right!.Key) switch
        {
            (null, null) => 0,
            (null, _) => 1,
            (_, null) => -1,
            var (leftKey, rightKey) => Compare(leftKey, rightKey),
        };

        private static int RankOf(char c) => char.IsSurrogate(c) ? c + 0x10000 : c;
    }
}
