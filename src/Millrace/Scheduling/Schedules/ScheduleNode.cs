using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Hosting;

namespace Millrace.Scheduling.Schedules;

/// <summary>
/// Fires every schedule of a state store when it is due, beside any number of other nodes. Holds of each its name and time, sleeps until the first one, and wakes earlier when a
/// schedule was changed, here or elsewhere. Safe for concurrent use.
/// </summary>
internal sealed class ScheduleNode(ScheduleStore store, ScheduleFirer firer, TimeProvider timeProvider, ILogger logger, int concurrency)
{
    private const int ManySchedules = 20_000;

    private static readonly TimeSpan LongestArming = TimeSpan.FromMilliseconds(1);

    // The wall clock may be set: what was due in an hour may be due now.
    private static readonly TimeSpan LongestSleep = TimeSpan.FromMinutes(1);

    // A change whose announcement was lost with the process that made it.
    private static readonly TimeSpan BetweenFullReads = TimeSpan.FromMinutes(10);

    // How much later than the one that was faster last time.
    private static readonly TimeSpan FollowerDelay = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan AfterFault = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly AsyncSignal _wake = new();
    private readonly TaskCompletionSource _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly DueTable _table = new();

    // Those that are being fired, or could not be, or whose occurrences could not be sent.
    private readonly HashSet<DueEntry> _late = [];
    private long _seenChanges;
    private int _firing;
    private long _fired;

    /// <summary>Ends when all schedules have been read for the first time.</summary>
    public Task Loaded => _loaded.Task;

    /// <summary>How many schedules there are, when the first one is due, and how many occurrences this node has sent.</summary>
    public (int Count, DateTimeOffset? FirstDue, long Fired) Stats
    {
        get
        {
            lock (_gate)
            {
                var first = _late.Aggregate(_table.FirstDue, static (first, entry) => Math.Min(first, entry.DueSince ?? first));
                return (_table.Count, first == long.MaxValue ? null : new DateTimeOffset(first, TimeSpan.Zero), _fired);
            }
        }
    }

    /// <summary>Runs until it is told to drain. May be run again after a crash.</summary>
    public async Task RunAsync(LoopTokens tokens)
    {
        var changes = await store.ReadChangesAsync(tokens.Draining).ConfigureAwait(false);
        await ReadAllAsync(tokens.Draining).ConfigureAwait(false);
        if (Stats.Count >= ManySchedules)
        {
            // What reading so many has left behind is several times as much as what is kept of them, and a process that then sleeps would never come to collect it.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }

        _seenChanges = changes.Value.Count;
        _loaded.TrySetResult();

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(tokens.Draining);
        var watching = WatchAsync(changes.Revision, ending.Token);
        var firing = FireAllAsync(ending.Token);
        try
        {
            var ended = await Task.WhenAny(watching, firing).ConfigureAwait(false);
            await ended.ConfigureAwait(false);
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
            _wake.Set();
            await Task.WhenAll(watching, firing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await UntilIdleAsync(tokens.Stopping).ConfigureAwait(false);
        }
    }

    /// <summary>A schedule was changed in this process: looks at it without waiting for the announcement.</summary>
    public void Notice(string name)
    {
        lock (_gate)
        {
            LookNowLocked(_table.GetOrAdd(ScheduleKeys.OfDefinition(name)));
        }

        _wake.Set();
    }

    private async Task ReadAllAsync(CancellationToken cancellationToken)
    {
        var cursors = new Dictionary<string, (long Version, DateTimeOffset Cursor, bool HasPending)>(StringComparer.Ordinal);
        await foreach (var document in store.ListCursorsAsync(cancellationToken).ConfigureAwait(false))
        {
            var name = document.Key[ScheduleKeys.CursorPrefix.Length..];
            try
            {
                var cursor = ScheduleDocuments.ReadCursor(document);
                cursors[name] = (cursor.Version, cursor.Cursor, cursor.Open.Any(open => open.PendingSince is not null));
            }
            catch (StorageCorruptException exception)
            {
                // The others are fired all the same.
                logger.ScheduleUnreadable(exception, name);
            }
        }

        var found = new HashSet<string>(StringComparer.Ordinal);
        var documents = store.ListAsync("", null, cancellationToken);
        await foreach (var document in documents.ConfigureAwait(false))
        {
            lock (_gate)
            {
                var entry = _table.GetOrAdd(document.Key);
                found.Add(entry.Key);
                if (entry.Revision == document.Version || entry.IsBusy)
                {
                    continue;
                }

                entry.Revision = document.Version;
                ForgetLateLocked(entry);
                _table.Set(entry, FirstLook(document, cursors.Count > 0 ? cursors.GetValueOrDefault(entry.Name) : default));
            }
        }

        foreach (var leftover in cursors.Keys.Where(name => !found.Contains(ScheduleKeys.OfDefinition(name))))
        {
            // Written by a node that stood still while the schedule was removed.
            await store.RemoveCursorAsync(leftover, cancellationToken).ConfigureAwait(false);
        }

        lock (_gate)
        {
            foreach (var gone in _table.Entries.Where(entry => !found.Contains(entry.Key) && !entry.IsBusy).ToList())
            {
                ForgetLateLocked(gone);
                _table.Remove(gone);
            }
        }

        _wake.Set();
    }

    /// <summary>When to look at a schedule that was just read: a moment too early only costs a look.</summary>
    private DateTimeOffset? FirstLook(Storage.StateDocument document, (long Version, DateTimeOffset Cursor, bool HasPending) cursor)
    {
        ScheduleDocument schedule;
        try
        {
            schedule = ScheduleDocuments.ReadSchedule(document);
        }
        catch (StorageCorruptException exception)
        {
            // The others are fired all the same.
            logger.ScheduleUnreadable(exception, document.Key[ScheduleKeys.DefinitionPrefix.Length..]);
            return null;
        }

        if (cursor.HasPending)
        {
            return timeProvider.GetUtcNow();
        }

        var from = cursor.Version == schedule.Version ? cursor.Cursor : schedule.Since;
        return schedule.IsFiring && schedule.Next(from) is { } next ? schedule.FireTimeOf(next) : null;
    }

    private async Task WatchAsync(long revision, CancellationToken cancellationToken)
    {
        var lastFullRead = timeProvider.GetTimestamp();
        while (!cancellationToken.IsCancellationRequested)
        {
            using var patience = new CancellationTokenSource(BetweenFullReads, timeProvider);
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
            try
            {
                revision = await store.WaitForChangesAsync(revision, waiting.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                // Time for a full read.
            }

            var changes = (await store.ReadChangesAsync(cancellationToken).ConfigureAwait(false)).Value;
            var names = changes.Since(_seenChanges);
            if (names is null || timeProvider.GetElapsedTime(lastFullRead) >= BetweenFullReads)
            {
                await ReadAllAsync(cancellationToken).ConfigureAwait(false);
                lastFullRead = timeProvider.GetTimestamp();
            }

            _seenChanges = changes.Count;
            foreach (var name in names ?? [])
            {
                Notice(name);
            }
        }
    }

    private async Task FireAllAsync(CancellationToken cancellationToken)
    {
        using var timer = timeProvider.CreateTimer(static state => ((AsyncSignal)state!).Set(), _wake, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        while (!cancellationToken.IsCancellationRequested)
        {
            while (TakeDue() is { } entry)
            {
                Interlocked.Increment(ref _firing);
                _ = FireAsync(entry, cancellationToken);
            }

            // A timer counts from when it is set: when the clock went on between the look at it and that, it would be late by as much.
            long lookedAt;
            do
            {
                lookedAt = timeProvider.GetTimestamp();
                timer.Change(UntilNext(), Timeout.InfiniteTimeSpan);
            }
            while (timeProvider.GetElapsedTime(lookedAt) > LongestArming);

            await _wake.WaitAsync().ConfigureAwait(false);
        }
    }

    private DueEntry? TakeDue()
    {
        lock (_gate)
        {
            var due = _table.FirstDue;
            if (Volatile.Read(ref _firing) >= concurrency || _table.TakeDue(timeProvider.GetUtcNow()) is not { } entry)
            {
                return null;
            }

            entry.DueSince ??= due;
            _late.Add(entry);
            entry.IsBusy = true;
            entry.IsChanged = false;
            return entry;
        }
    }

    /// <summary>How long to sleep: rounded up to what timers take, so that it is never too short.</summary>
    private TimeSpan UntilNext()
    {
        long first;
        lock (_gate)
        {
            first = _table.FirstDue;
        }

        var wait = first == long.MaxValue ? LongestSleep.Ticks : Math.Clamp(first - timeProvider.GetUtcNow().UtcTicks, 0, LongestSleep.Ticks);
        return Volatile.Read(ref _firing) >= concurrency
            ? LongestSleep
            : TimeSpan.FromMilliseconds((wait + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond);
    }

    private async Task FireAsync(DueEntry entry, CancellationToken cancellationToken)
    {
        // The loop goes on with the next one.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        Firing? firing = null;
        try
        {
            firing = await firer.FireAsync(entry.Name, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping: whoever comes next reads it anew.
        }
        catch (StorageCorruptException exception)
        {
            // Until it is changed.
            logger.ScheduleUnreadable(exception, entry.Name);
            firing = new Firing(true, Revision: 0, NextLook: null);
        }
        catch (Exception exception)
        {
            logger.ScheduleNotFired(exception, entry.Name, AfterFault);
        }

        lock (_gate)
        {
            Settle(entry, firing);
            Interlocked.Decrement(ref _firing);
        }

        _wake.Set();
    }

    private void Settle(DueEntry entry, Firing? firing)
    {
        entry.IsBusy = false;
        if (firing is not { } done)
        {
            _table.Set(entry, timeProvider.GetUtcNow() + AfterFault);
            return;
        }

        if (!done.IsUnsent)
        {
            ForgetLateLocked(entry);
        }

        _fired += done.Fired;
        if (!done.Exists && !entry.IsChanged)
        {
            _table.Remove(entry);
            return;
        }

        // Who finds done what was due lets the other go first the next time.
        entry.Revision = done.Revision;
        entry.IsFollower = !done.HasClaimed && (entry.IsFollower || !entry.IsNoticed);
        entry.IsNoticed = false;
        _table.Set(entry, entry.IsFollower && done.NextLook < DateTimeOffset.MaxValue - FollowerDelay ? done.NextLook + FollowerDelay : done.NextLook);
        if (entry.IsChanged)
        {
            LookNowLocked(entry);
        }
    }

    private void ForgetLateLocked(DueEntry entry)
    {
        entry.DueSince = null;
        _late.Remove(entry);
    }

    private void LookNowLocked(DueEntry entry)
    {
        if (entry.IsBusy)
        {
            entry.IsChanged = true;
        }
        else
        {
            entry.IsNoticed = true;
            _table.Set(entry, timeProvider.GetUtcNow());
        }
    }

    private async Task UntilIdleAsync(CancellationToken stopping)
    {
        using var registration = stopping.UnsafeRegister(static state => ((AsyncSignal)state!).Set(), _wake);
        while (Volatile.Read(ref _firing) > 0 && !stopping.IsCancellationRequested)
        {
            await _wake.WaitAsync().ConfigureAwait(false);
        }
    }
}
