using System.Buffers;
using Millrace.Stomp.Codec;
using Millrace.Stomp.Security;

namespace Millrace.Stomp.Sessions;

/// <summary>A destination that a connection sends to: its permission, and what was read for it and not stored yet. Touched by its session only.</summary>
internal sealed class SendTarget(SessionContext session, Destination destination, string text, string queue, StompPermit permit)
{
    private Envelope[] _envelopes = [];
    private long[] _frames = [];
    private int _count;
    private MessageHeaders? _lastHeaders;
    private MessageHeaders _lastWithTopic = MessageHeaders.Empty;
    private Envelope[]? _copy;

    /// <summary>The destination.</summary>
    public Destination Destination => destination;

    /// <summary>The destination as the client wrote it.</summary>
    public string Text => text;

    /// <summary>The queue in the store; the topic where the destination is one.</summary>
    public string Name => queue;

    public DestinationCounters Counters { get; } = session.Resources.Destinations.Of(text);

    /// <summary>The stream, where the destination is one.</summary>
    public StreamAppends? Appends { get; init; }

    /// <summary>Whether anything waits to be stored.</summary>
    public bool IsEmpty => _count == 0;

    /// <summary>The permission of the sender.</summary>
    public StompPermit Permit => permit;

    /// <summary>Notes a message. Its body must stay until <see cref="StoreAsync"/> has ended.</summary>
    public void Add(in Envelope envelope, long frame)
    {
        if (_count == _envelopes.Length)
        {
            Grow();
        }

        _envelopes[_count] = envelope;
        _frames[_count++] = frame;
    }

    /// <summary>Stores what was noted, in order.</summary>
    /// <returns>The fault and the number of its frame, if one was refused: those before it were stored then, those after it not.</returns>
    public async ValueTask<SendFault?> StoreAsync()
    {
        var count = _count;
        try
        {
            var fault = destination.Kind switch
            {
                DestinationKind.Topic => await PublishAllAsync().ConfigureAwait(false),
                DestinationKind.Stream => await AppendAllAsync().ConfigureAwait(false),
                _ => await EnqueueAllAsync().ConfigureAwait(false),
            };
            var stored = fault?.Index ?? count;
            Counters.AddSent(stored);
            session.Resources.Counters.AddSent(stored);
            return fault;
        }
        finally
        {
            Release();
        }
    }

    /// <summary>Publishes to live subscribers.</summary>
    public async ValueTask PublishLiveAsync(Envelope envelope)
    {
        if (session.Resources.Channels is { } channels)
        {
            var live = new Envelope(envelope.Body) { ContentType = envelope.ContentType, Headers = envelope.Headers };
            await channels.PublishAsync(queue, live, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>The copy that durable subscriptions get: with the topic, which their own destination need not tell.</summary>
    public Envelope WithTopic(in Envelope envelope)
    {
        if (_lastHeaders is null || !ReferenceEquals(envelope.Headers, _lastHeaders))
        {
            _lastHeaders = envelope.Headers ?? MessageHeaders.Empty;
            _lastWithTopic = _lastHeaders.With(ReservedHeaders.Topic, queue);
        }

        return envelope with { Headers = _lastWithTopic };
    }

    /// <summary>Whether the queue is there: a reply to somebody who has gone is dropped, and must not bring the queue back.</summary>
    public async ValueTask<bool> ExistsAsync()
    {
        try
        {
            await session.Resources.Admin!.GetSettingsAsync(queue, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (QueueNotFoundException)
        {
            return false;
        }
    }

    private async ValueTask<SendFault?> EnqueueAllAsync()
    {
        var store = session.Resources.Queues!;
        if (destination.Kind == DestinationKind.ReplyQueue && !await ExistsAsync().ConfigureAwait(false))
        {
            return null;
        }

        try
        {
            await store.EnqueueAsync(queue, _envelopes.AsMemory(0, _count), default, CancellationToken.None).ConfigureAwait(false);
            return null;
        }
        catch (MillraceException exception) when (_count == 1 || exception is BackendUnavailableException or BackendErrorException)
        {
            return SendFault.Of(exception, this, 0, _frames[0]);
        }
        catch (MillraceException)
        {
            // One of them does not fit, and the batch was refused with it. By STOMP they are separate messages: those before it are stored.
        }

        for (var i = 0; i < _count; i++)
        {
            try
            {
                await store.EnqueueAsync(queue, _envelopes.AsMemory(i, 1), default, CancellationToken.None).ConfigureAwait(false);
            }
            catch (MillraceException exception)
            {
                return SendFault.Of(exception, this, i, _frames[i]);
            }
        }

        return null;
    }

    private async ValueTask<SendFault?> AppendAllAsync() =>
        await Appends!.AppendAsync(_envelopes.AsMemory(0, _count)).ConfigureAwait(false) is var (index, reason) ? SendFault.Of(reason, this, index, _frames[index]) : null;

    private async ValueTask<SendFault?> PublishAllAsync()
    {
        for (var i = 0; i < _count; i++)
        {
            try
            {
                // First what is kept: a publish that a durable subscription refuses reaches nobody.
                if (session.Resources.Routing is { } routing)
                {
                    // A copy: what live subscribers get has the sender's headers only.
                    _copy ??= new Envelope[1];
                    _copy[0] = WithTopic(in _envelopes[i]);
                    await routing.PublishAsync(queue, _copy, CancellationToken.None).ConfigureAwait(false);
                    _copy[0] = default;
                }

                await PublishLiveAsync(_envelopes[i]).ConfigureAwait(false);
            }
            catch (MillraceException exception)
            {
                return SendFault.Of(exception, this, i, _frames[i]);
            }
        }

        return null;
    }

    // Rented while there is something, so that a connection that has nothing to send holds nothing.
    private void Grow()
    {
        var envelopes = ArrayPool<Envelope>.Shared.Rent(Math.Max(16, _count * 2));
        var frames = ArrayPool<long>.Shared.Rent(envelopes.Length);
        _envelopes.AsSpan(0, _count).CopyTo(envelopes);
        _frames.AsSpan(0, _count).CopyTo(frames);
        var count = _count;
        Release();
        (_envelopes, _frames, _count) = (envelopes, frames, count);
    }

    private void Release()
    {
        if (_envelopes.Length > 0)
        {
            _envelopes.AsSpan(0, _count).Clear();
            ArrayPool<Envelope>.Shared.Return(_envelopes);
            ArrayPool<long>.Shared.Return(_frames);
        }

        (_envelopes, _frames, _count) = ([], [], 0);
    }
}

/// <summary>A message that was not stored.</summary>
/// <param name="Fault">What the client is told.</param>
/// <param name="Index">Which of its batch it was.</param>
/// <param name="Frame">The number of its frame.</param>
/// <param name="Exception">The exception, where the log should have it.</param>
internal sealed record SendFault(StompFault Fault, int Index, long Frame, Exception? Exception)
{
    /// <summary>Describes the fault of a store.</summary>
    public static SendFault Of(Exception exception, SendTarget target, int index, long frame) =>
        new(StoreFaults.Describe(exception, $"the message to '{Destination.Shown(target.Text)}'"), index, frame, StoreFaults.IsForLog(exception) ? exception : null);
}
