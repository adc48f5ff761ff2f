using System.Buffers.Text;
using Millrace.Redis.Client;
using Millrace.Redis.Waiting;
using Millrace.Storage;

namespace Millrace.Redis.Streams;

/// <summary>
/// Who waits in this process for one partition to grow. From the first wait on, one subscription tells every end, until the last opening is closed; after a cut the end is read.
/// </summary>
internal sealed class PartitionFeed(IRedisExecutor executor, PartitionScripts scripts, string stream, int partition, string incarnation, TimeProvider timeProvider) : IRedisListener, IAsyncDisposable
{
    // An append that nobody was told of, which must not happen, is noticed so late.
    private static readonly TimeSpan SafetyLook = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly LazySubscription _subscription = new(executor, scripts.Channel);
    private StreamWaiters _waiters = new();
    private Exception? _failure;
    private long _end;

    /// <summary>Which making of the partition it is of; deleted and made anew, it has another.</summary>
    public string Incarnation => incarnation;

    public PartitionScripts Scripts => scripts;

    /// <summary>How many have it open. Under the gate of <see cref="RedisStreamStore"/>.</summary>
    public int Users { get; set; }

    /// <summary>Whether it has a bound by age, so that records go while nothing is appended.</summary>
    public bool HasMaxAge { get; set; }

    /// <summary>The end as far as it is known here.</summary>
    public long End => Volatile.Read(ref _end);

    /// <summary>Waits until the end is beyond an offset.</summary>
    /// <param name="offset">The offset.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="closing">Ends it too: the opening is closed.</param>
    public async ValueTask WaitAsync(long offset, CancellationToken cancellationToken, CancellationToken closing)
    {
        try
        {
            await WaitForEndAsync(offset, cancellationToken, closing).ConfigureAwait(false);
        }
        catch (MillraceException) when (Volatile.Read(ref _failure) is { } failure)
        {
            // It was asking the server when the backend was closed.
            throw failure;
        }
    }

    /// <summary>The partition ends there, or beyond.</summary>
    public void Advance(long end)
    {
        StreamWaiters waiters;
        lock (_gate)
        {
            if (end <= _end)
            {
                return;
            }

            Volatile.Write(ref _end, end);
            waiters = _waiters;
        }

        waiters.Advance(end);
    }

    /// <summary>
    /// A server has lost appends, as an asynchronous fail-over may: the partition ends before an end that was known. Whoever waits looks again, or would wait for the wrong offset.
    /// </summary>
    /// <param name="known">The end that was known.</param>
    /// <param name="end">The end.</param>
    public void GoBack(long known, long end)
    {
        StreamWaiters waiters;
        lock (_gate)
        {
            if (_end < known)
            {
                return;
            }

            waiters = _waiters;
            _waiters = new StreamWaiters();
            if (_failure is not null)
            {
                _waiters.Fail(_failure);
            }

            _waiters.Advance(end);
            Volatile.Write(ref _end, end);
        }

        waiters.Advance(long.MaxValue);
    }

    public BackendUnavailableException Deleted() => new($"Partition {partition} of stream '{stream}' was deleted.");

    /// <summary>Ends every wait, also later ones.</summary>
    public void Fail(Exception failure)
    {
        StreamWaiters waiters;
        lock (_gate)
        {
            _failure ??= failure;
            waiters = _waiters;
        }

        waiters.Fail(failure);
    }

    /// <summary>Ends the subscription: nobody has the partition open any more.</summary>
    public ValueTask DisposeAsync() => _subscription.DisposeAsync();

    public void OnMessage(ReadOnlySpan<byte> channel, ReadOnlyMemory<byte> payload)
    {
        if (Utf8Parser.TryParse(payload.Span, out long end, out var digits) && digits == payload.Length)
        {
            Advance(end);
        }
        else if (System.Text.Encoding.UTF8.GetString(payload.Span) == "deleted " + incarnation)
        {
            Fail(Deleted());
        }
    }

    public void OnResubscribed() => _ = LookAgainAsync();

    private async ValueTask WaitForEndAsync(long offset, CancellationToken cancellationToken, CancellationToken closing)
    {
        while (End <= offset)
        {
            StreamWaiters waiters;
            lock (_gate)
            {
                waiters = _waiters;
            }

            if (await _subscription.MakeAsync(this, cancellationToken).ConfigureAwait(false))
            {
                await LookAsync(cancellationToken).ConfigureAwait(false);
            }

            using var time = new CancellationTokenSource(SafetyLook, timeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, time.Token);
            try
            {
                await waiters.WaitAsync(offset, either.Token, closing).ConfigureAwait(false);
                return;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                await LookAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                throw new OperationCanceledException(cancellationToken);
            }
        }
    }

    private async ValueTask LookAsync(CancellationToken cancellationToken)
    {
        var reply = await executor.ExecuteAsync(scripts.Stats().Add(incarnation), cancellationToken).ConfigureAwait(false);
        if (reply.Items[0].ToInteger() == 0)
        {
            Fail(Deleted());
        }
        else
        {
            Advance(reply.Items[2].ToInteger());
        }
    }

    private async Task LookAgainAsync()
    {
        try
        {
            await LookAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            // Whoever waits looks by itself in a while, and meets the fault if it lasts.
        }
    }
}
