using System.Runtime.ExceptionServices;

namespace Millrace.Storage.Engine;

/// <content>The administration of queues.</content>
internal sealed partial class QueueEngine : IQueueAdmin
{
    private const int MaxPage = 1000;

    // At a gate's hold of some milliseconds.
    private const int MaxPurged = 10_000;
    private const long PageChangeBytes = MaxPurged * ShortChangeBytes;

    private delegate TResult Look<in TArgument, out TResult>(QueueSection section, TArgument argument);

    public ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return Answer(
            (Store: this, queue, settings),
            static request =>
            {
                RequireSendable(request.queue);
                request.settings.Validate();
                return request.Store.Find(request.queue) is null && request.Store.TryCreate(request.queue, request.settings, out var end)
                    ? (true, end)
                    : (false, default(OperationEnd));
            },
            cancellationToken);
    }

    public ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default) =>
        Answer(
            (Store: this, queue),
            static request =>
            {
                RequireSendable(request.queue);
                if (request.Store.Find(request.queue) is not { } section)
                {
                    return (false, default(OperationEnd));
                }

                var (deleted, _, end) = request.Store.Under(section, true, static (section, _) =>
                {
                    section.Core.DeleteLocked();
                    return true;
                });
                return (deleted, end);
            },
            cancellationToken);

    public ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default) =>
        On(queue, 0, static (section, _) => section.Core.Settings, cancellationToken);

    public async ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(settings);
        RequireSendable(queue);
        settings.Validate();
        await On(
            queue,
            settings,
            static (section, settings) =>
            {
                section.Core.SetSettingsLocked(settings);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        RequireLimit(limit);
        return Answer(
            (Store: this, prefix, after, limit),
            static request =>
            {
                ObjectDisposedException.ThrowIf(request.Store.IsDisposed, request.Store);
                var names = new List<string>();
                foreach (var (name, section) in request.Store._sections)
                {
                    if (!section.IsDead && name.StartsWith(request.prefix, StringComparison.Ordinal) && string.CompareOrdinal(name, request.after) > 0)
                    {
                        names.Add(name);
                    }
                }

                names.Sort(StringComparer.Ordinal);
                return ((IReadOnlyList<string>)names[..Math.Min(names.Count, request.limit)], default(OperationEnd));
            },
            cancellationToken);
    }

    public ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default) =>
        On(queue, 0, static (section, _) => section.Core.GetStatsLocked(section), cancellationToken);

    public ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        RequireLimit(query.Limit);
        var after = query.Continuation is null ? EntryPage.Start : EntryPage.ParseCursor(query.Continuation)
            ?? throw new ArgumentException($"'{query.Continuation}' is no continuation of a browse: give BrowsePage.Next of the page before, or null.", nameof(query));
        return On(queue, (query, after), static (section, request) => section.Core.BrowseLocked(section, request.query, request.after), cancellationToken);
    }

    public ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        On(queue, id, static (section, id) => section.Core.GetMessageLocked(section, id), cancellationToken);

    public ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        On(queue, id, static (section, id) => section.Core.RemoveMessageLocked(section, id), cancellationToken);

    public ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(delay, Capabilities.MaxDelay);
        return On(queue, (id, delay), static (section, request) => section.Core.RescheduleLocked(section, request.id, request.delay), cancellationToken);
    }

    public async ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        RequireSendable(queue);
        var last = await On(queue, 0, static (section, _) => section.Core.LastSequenceLocked, cancellationToken).ConfigureAwait(false);
        var moved = 0L;
        MessageState[] states = [MessageState.Ready, MessageState.Scheduled];
        foreach (var state in states)
        {
            (long, long)? cursor = null;
            do
            {
                // A page at a time, so that a long redrive neither holds the queue up nor outlives its caller.
                var limit = (filter.Limit ?? long.MaxValue) - moved;
                (var count, cursor) = await On(
                    queue,
                    (state, filter, last, limit, cursor),
                    static (section, request) =>
                    {
                        var cursor = request.cursor;
                        return (section.Core.RedriveLocked(request.state, request.filter, request.last, request.limit, ref cursor), cursor);
                    },
                    cancellationToken,
                    PageChangeBytes).ConfigureAwait(false);
                moved += count;
            }
            while (cursor is not null && moved < (filter.Limit ?? long.MaxValue));
        }

        return moved;
    }

    public async ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default)
    {
        // As many as there are now, and a page at a time, so that a long purge neither holds the queue up nor outruns its senders.
        var rest = await On(queue, 0, static (section, _) => section.Ready + section.Scheduled, cancellationToken).ConfigureAwait(false);
        var purged = 0L;
        while (rest > 0)
        {
            var page = (int)Math.Min(rest, MaxPurged);
            var removed = await On(queue, page, static (section, page) => section.Core.PurgeLocked(section, page), cancellationToken, PageChangeBytes).ConfigureAwait(false);
            purged += removed;
            rest = removed == page ? rest - removed : 0;
        }

        return purged;
    }

    private static void RequireLimit(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MaxPage);
    }

    /// <summary>Makes an answer, and what is left to do before it is given, a task, its faults included.</summary>
    private ValueTask<TResult> Answer<TRequest, TResult>(TRequest request, Func<TRequest, (TResult Result, OperationEnd End)> answer, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<TResult>(cancellationToken);
        }

        try
        {
            var (result, end) = answer(request);
            return EndAsync(end, waitsForFlush: true, result);
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException<TResult>(exception);
        }
    }

    /// <summary>Does something with a queue that must exist, under its gate.</summary>
    private ValueTask<TResult> On<TArgument, TResult>(
        string queue, TArgument argument, Look<TArgument, TResult> look, CancellationToken cancellationToken, long changeBytes = ChangeBytes) =>
        Answer(
            (Store: this, queue, argument, look, changeBytes),
            static request =>
            {
                while (request.Store.Find(request.queue) is { } section)
                {
                    var (done, result, end) = request.Store.Under(section, request.argument, request.look, request.changeBytes);
                    if (done)
                    {
                        return (result!, end);
                    }

                    request.Store.EndUnflushed(end);
                }

                throw new QueueNotFoundException(request.queue);
            },
            cancellationToken);

    private (bool Done, TResult? Result, OperationEnd End) Under<TArgument, TResult>(
        QueueSection section, TArgument argument, Look<TArgument, TResult> look, long changeBytes = ChangeBytes)
    {
        var core = section.Core;
        var result = default(TResult);
        var room = RoomForChange(changeBytes);
        bool isDone;
        OperationEnd end;
        ExceptionDispatchInfo? unreadable = null;
        lock (core.Gate)
        {
            core.AdvanceLocked(Clock.Now);
            isDone = !core.IsDeleted;
            try
            {
                result = isDone ? look(section, argument) : result;
            }
            catch (BackendUnavailableException fault)
            {
                // A message could not be read back. What was done before it stands.
                unreadable = ExceptionDispatchInfo.Capture(fault);
            }

            end = core.FinishLocked(room);
        }

        if (unreadable is not null)
        {
            EndUnflushed(end);
            unreadable.Throw();
        }

        return (isDone, result, end);
    }
}
