using System.Buffers.Text;
using System.Text;
using Millrace.Redis.Client;
using Millrace.Redis.Waiting;

namespace Millrace.Redis.State;

/// <summary>
/// The changes of state as they are published, and who waits for one in this process. Knows every change after a revision, so that who waits asks no server: from the first wait
/// on, one subscription stays.
/// </summary>
internal sealed class StateChanges(IRedisExecutor executor, string channel, Func<CancellationToken, ValueTask<long>> readRevision) : IRedisListener, IAsyncDisposable
{
    // Who asks about older changes is told that something may have changed.
    private const int ChangesKept = 1024;

    private readonly Lock _gate = new();
    private readonly Queue<(long Revision, string Key)> _latest = new();
    private readonly LinkedList<Waiter> _waiters = [];
    private readonly CancellationTokenSource _closing = new();
    private readonly LazySubscription _subscription = new(executor, channel);

    // Every change after this revision is among the latest; null while that is not known.
    private long? _knownAfter;
    private long _revision;
    private int _cuts;

    /// <summary>Waits for a change under a prefix after a revision; see <see cref="Millrace.Storage.IStateStore.WaitForChangeAsync"/>.</summary>
    public async ValueTask<long> WaitAsync(string prefix, long revision, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await BeginAsync(cancellationToken).ConfigureAwait(false);
        LinkedListNode<Waiter> node;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
            if (HasChangedLocked(prefix, revision))
            {
                return _revision;
            }

            node = _waiters.AddLast(new Waiter(prefix, revision));
        }

        try
        {
            return await node.Value.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                if (node.List is not null)
                {
                    _waiters.Remove(node);
                }
            }
        }
    }

    public void OnMessage(ReadOnlySpan<byte> channel, ReadOnlyMemory<byte> payload)
    {
        var text = payload.Span;
        if (!Utf8Parser.TryParse(text, out long revision, out var digits) || digits + 1 > text.Length)
        {
            return;
        }

        var key = Encoding.UTF8.GetString(text[(digits + 1)..]);
        List<Waiter> woken = [];
        lock (_gate)
        {
            _revision = Math.Max(_revision, revision);
            _latest.Enqueue((revision, key));
            if (_latest.Count > ChangesKept)
            {
                var forgotten = _latest.Dequeue().Revision;
                _knownAfter = _knownAfter is { } known ? Math.Max(known, forgotten) : null;
            }

            for (var node = _waiters.First; node is not null;)
            {
                var next = node.Next;
                if (revision > node.Value.Revision && key.StartsWith(node.Value.Prefix, StringComparison.Ordinal))
                {
                    woken.Add(node.Value);
                    _waiters.Remove(node);
                }

                node = next;
            }
        }

        foreach (var waiter in woken)
        {
            waiter.TrySetResult(revision);
        }
    }

    /// <summary>What was changed while the connection was cut is not known: whoever waits looks again.</summary>
    public void OnResubscribed()
    {
        lock (_gate)
        {
            _cuts++;
            _knownAfter = null;
            _latest.Clear();
            _ = CatchUpAsync(_cuts);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        Waiter[] waiters;
        lock (_gate)
        {
            waiters = [.. _waiters];
            _waiters.Clear();
        }

        foreach (var waiter in waiters)
        {
            waiter.TrySetException(new ObjectDisposedException(nameof(RedisBackend), "The backend was closed while somebody waited for a change of state."));
        }

        await _subscription.DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        await _subscription.MakeAsync(this, cancellationToken).ConfigureAwait(false);
        int cuts;
        lock (_gate)
        {
            if (_knownAfter is not null)
            {
                return;
            }

            cuts = _cuts;
        }

        Learn(await readRevision(cancellationToken).ConfigureAwait(false), cuts);
    }

    /// <summary>The store had this revision after the subscription was made, so every later change arrives, unless the connection was cut since.</summary>
    private void Learn(long revision, int cuts)
    {
        lock (_gate)
        {
            _knownAfter = cuts == _cuts ? _knownAfter ?? revision : _knownAfter;
            _revision = Math.Max(_revision, revision);
        }
    }

    private async Task CatchUpAsync(int cuts)
    {
        try
        {
            var revision = await readRevision(_closing.Token).ConfigureAwait(false);
            Learn(revision, cuts);
            List<Waiter> woken;
            lock (_gate)
            {
                woken = [.. _waiters];
                _waiters.Clear();
            }

            foreach (var waiter in woken)
            {
                waiter.TrySetResult(revision);
            }
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException or OperationCanceledException)
        {
            List<Waiter> failed;
            lock (_gate)
            {
                failed = [.. _waiters];
                _waiters.Clear();
            }

            foreach (var waiter in failed)
            {
                waiter.TrySetException(fault);
            }
        }
    }

    private bool HasChangedLocked(string prefix, long revision)
    {
        if (_knownAfter is not { } known || revision < known)
        {
            return true;
        }

        foreach (var change in _latest)
        {
            if (change.Revision > revision && change.Key.StartsWith(prefix, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    private sealed class Waiter(string prefix, long revision) : TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public string Prefix => prefix;

        public long Revision => revision;
    }
}
