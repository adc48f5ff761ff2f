using Millrace.Scheduling.Schedules;
using Millrace.Storage;

namespace Millrace.Scheduling;

/// <summary>
/// The schedules of a state store: defines, shows, pauses and removes them. It fires none: <see cref="Scheduler"/> does, in this process or another one. Safe for concurrent use.
/// </summary>
public sealed class ScheduleClient
{
    /// <summary>What a schedule is said to come from when nobody said: whoever called this class, the HTTP API or the command line.</summary>
    public const string DefaultSource = "api";

    private const int MaxPage = 1_000;

    // So many documents are written at the same time when many schedules are defined: they share flushes and round trips.
    private const int WritesAtOnce = 64;

    private readonly ScheduleStore _store;
    private readonly ScheduleFirer _firer;
    private readonly TimeProvider _timeProvider;

    internal ScheduleClient(ScheduleStore store, ScheduleFirer firer, TimeProvider timeProvider)
    {
        _store = store;
        _firer = firer;
        _timeProvider = timeProvider;
    }

    /// <summary>Called with the name of each schedule that was changed here, so that a node in this process need not wait for the announcement.</summary>
    internal Action<string>? OnChanged { get; set; }

    /// <summary>Defines a schedule, or changes it. A pause that a user has set stays. Handing in the same definition again changes nothing, not even when it is next due.</summary>
    /// <param name="definition">What it is to be.</param>
    /// <param name="source">Where the definition comes from, for people; up to 200 characters.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted it.</param>
    /// <exception cref="MillraceConfigurationException">A value is out of range, or the schedule would never be due.</exception>
    /// <exception cref="InvalidNameException">The name of the schedule or of its queue is not valid.</exception>
    public async ValueTask<ScheduleChange> PutAsync(ScheduleDefinition definition, string source = DefaultSource, CancellationToken cancellationToken = default)
    {
        var change = await WriteAsync(definition, source, new NewVersions(_store), cancellationToken).ConfigureAwait(false);
        if (change != ScheduleChange.Unchanged)
        {
            await AnnounceAsync([definition.Name]).ConfigureAwait(false);
        }

        return change;
    }

    /// <summary>Defines many schedules. One that is not valid does not keep the others from being defined; of several with one name none is, as nobody knows which is meant.</summary>
    /// <param name="definitions">The definitions.</param>
    /// <param name="source">Where they come from, for people.</param>
    /// <param name="cancellationToken">Ends the call between schedules: those that were written stay.</param>
    /// <returns>One result a definition, in order.</returns>
    public async ValueTask<IReadOnlyList<SchedulePutResult>> PutManyAsync(
        IReadOnlyList<ScheduleDefinition> definitions, string source = DefaultSource, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definitions);
        var results = new SchedulePutResult[definitions.Count];
        var versions = new NewVersions(_store);
        var names = definitions.CountBy(definition => definition.Name, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        try
        {
            await Parallel.ForAsync(
                0,
                definitions.Count,
                new ParallelOptions { MaxDegreeOfParallelism = WritesAtOnce, CancellationToken = cancellationToken },
                async (i, token) =>
                {
                    try
                    {
                        RequireOnce(definitions[i].Name, names[definitions[i].Name]);
                        results[i] = new(definitions[i].Name, await WriteAsync(definitions[i], source, versions, token).ConfigureAwait(false), null);
                    }
                    catch (MillraceException exception) when (!exception.IsTransient)
                    {
                        results[i] = new(definitions[i].Name, ScheduleChange.Unchanged, exception);
                    }
                }).ConfigureAwait(false);
        }
        finally
        {
            await AnnounceAsync([.. results.Where(result => result is { Change: not ScheduleChange.Unchanged }).Select(result => result.Name)]).ConfigureAwait(false);
        }

        return results;
    }

    /// <summary>A schedule; null when there is none.</summary>
    public async ValueTask<ScheduleInfo?> GetAsync(string schedule, CancellationToken cancellationToken = default)
    {
        ScheduleKeys.RequireName(schedule);
        return await _store.ReadAsync(schedule, cancellationToken).ConfigureAwait(false) is { } found
            ? await DescribeAsync(found.Value, cancellationToken).ConfigureAwait(false)
            : null;
    }

    /// <summary>Schedules in the order of the UTF-8 bytes of their names. One whose document cannot be read is not among them.</summary>
    /// <param name="query">Which ones; null for all.</param>
    /// <param name="after">The last name of the page before; null for the first page.</param>
    /// <param name="limit">At most so many, 1 to 1,000.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Fewer than the limit only at the end.</returns>
    public async ValueTask<IReadOnlyList<ScheduleInfo>> ListAsync(
        ScheduleQuery? query = null, string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MaxPage);
        query ??= new ScheduleQuery();
        var found = new List<ScheduleInfo>();
        var documents = _store.ListAsync(query.Prefix, after, cancellationToken);
        await foreach (var document in documents.ConfigureAwait(false))
        {
            if (ScheduleStore.TryRead(document) is not { } schedule || (query.Tag is not null && !schedule.Definition.Tags.Contains(query.Tag, StringComparer.Ordinal)))
            {
                continue;
            }

            var info = await DescribeAsync(schedule, cancellationToken).ConfigureAwait(false);
            if (query.Status is null || info.Status == query.Status)
            {
                found.Add(info);
            }

            if (found.Count == limit)
            {
                break;
            }
        }

        return found;
    }

    /// <summary>Stops firing a schedule until it is resumed. Occurrences that were fired run.</summary>
    /// <returns>False when there is no such schedule.</returns>
    public ValueTask<bool> PauseAsync(string schedule, CancellationToken cancellationToken = default) => ChangeAsync(
        schedule, document => document.PausedAt is null ? document with { PausedAt = _timeProvider.GetUtcNow() } : null, cancellationToken);

    /// <summary>Fires a schedule again. Its misfire policy says what becomes of what was due meanwhile.</summary>
    /// <returns>False when there is no such schedule.</returns>
    public ValueTask<bool> ResumeAsync(string schedule, CancellationToken cancellationToken = default) => ChangeAsync(
        schedule, document => document.PausedAt is null ? null : document with { PausedAt = null }, cancellationToken);

    /// <summary>Removes a schedule. Its occurrences that wait are not run any more; those that run go on.</summary>
    /// <returns>False when there was none.</returns>
    public async ValueTask<bool> RemoveAsync(string schedule, CancellationToken cancellationToken = default)
    {
        ScheduleKeys.RequireName(schedule);
        var existed = await _store.RemoveAsync(schedule, cancellationToken).ConfigureAwait(false);
        if (existed)
        {
            await AnnounceAsync([schedule]).ConfigureAwait(false);
        }

        return existed;
    }

    /// <summary>Fires one more occurrence now, whatever trigger, pause and policies say; its trigger goes on as before.</summary>
    /// <returns>The id of the run; null when there is no such schedule.</returns>
    public ValueTask<string?> RunNowAsync(string schedule, CancellationToken cancellationToken = default)
    {
        ScheduleKeys.RequireName(schedule);
        return _firer.FireNowAsync(schedule, cancellationToken);
    }

    /// <summary>The next occurrences of a definition after an instant, by its trigger, start and end; without jitter.</summary>
    /// <param name="definition">The definition; need not be stored.</param>
    /// <param name="after">The instant.</param>
    /// <param name="count">At most so many.</param>
    public static IEnumerable<DateTimeOffset> Preview(ScheduleDefinition definition, DateTimeOffset after, int count)
    {
        ArgumentNullException.ThrowIfNull(definition);
        var schedule = new ScheduleDocument { Definition = definition, Version = 1, FirstVersion = 1, Since = after, CreatedAt = after, Source = DefaultSource };
        for (var i = 0; i < count && schedule.Next(after) is { } next; i++)
        {
            yield return next;
            after = next;
        }
    }

    /// <summary>Marks the schedules of a source that it does not define any more, so that they are not fired.</summary>
    /// <returns>Their names.</returns>
    internal async ValueTask<IReadOnlyList<string>> OrphanAsync(string source, IReadOnlySet<string> defined, CancellationToken cancellationToken)
    {
        var orphans = new List<string>();
        var documents = _store.ListAsync("", null, cancellationToken);
        await foreach (var document in documents.ConfigureAwait(false))
        {
            var name = document.Key[ScheduleKeys.DefinitionPrefix.Length..];
            if (defined.Contains(name) || ScheduleDocuments.SourceOf(document) != source)
            {
                continue;
            }


            await ChangeAsync(
                name,
                current => current.Source == source && current.OrphanedAt is null ? current with { OrphanedAt = _timeProvider.GetUtcNow() } : null,
                cancellationToken).ConfigureAwait(false);
            orphans.Add(name);
        }

        return orphans;
    }

    private static void RequireOnce(string name, int count)
    {
        if (count > 1)
        {
            throw new MillraceConfigurationException($"The schedule '{name}' is defined {count} times, and nobody knows which definition is meant. Leave one of them.");
        }
    }

    private async ValueTask<ScheduleChange> WriteAsync(ScheduleDefinition definition, string source, NewVersions versions, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ResourceName.RequireText(source, "source");
        ScheduleRules.Require(definition);
        while (true)
        {
            var stored = await _store.ReadToWriteAsync(definition.Name, cancellationToken).ConfigureAwait(false);
            var now = _timeProvider.GetUtcNow();
            var changed = stored.Value is { } found
                ? found with { Definition = definition, Source = source, OrphanedAt = null }
                : new ScheduleDocument { Definition = definition, Version = 0, FirstVersion = 0, Since = now, CreatedAt = now, Source = source };
            if (stored.Value is { } before && before.DoesTheSame(definition))
            {
                if (ScheduleDocuments.Write(changed).AsSpan().SequenceEqual(ScheduleDocuments.Write(before)))
                {
                    return ScheduleChange.Unchanged;
                }
            }
            else
            {
                changed = changed with { Since = now };
                ScheduleRules.RequireDue(changed);
                changed = changed with { Version = await versions.AboveAsync(changed.Version, definition.Name, cancellationToken).ConfigureAwait(false) };
            }

            if (stored.Revision == IStateStore.Absent)
            {
                // Whoever removed a schedule of this name may have died in the middle of it.
                await _store.RemoveCursorAsync(definition.Name, cancellationToken).ConfigureAwait(false);
                changed = changed with { FirstVersion = changed.Version };
            }

            if ((await _store.WriteAsync(changed, stored.Revision, cancellationToken).ConfigureAwait(false)).Written)
            {
                return stored.Revision == IStateStore.Absent ? ScheduleChange.Created : ScheduleChange.Updated;
            }
        }
    }

    private async ValueTask<bool> ChangeAsync(string schedule, Func<ScheduleDocument, ScheduleDocument?> change, CancellationToken cancellationToken)
    {
        ScheduleKeys.RequireName(schedule);
        while (true)
        {
            if (await _store.ReadAsync(schedule, cancellationToken).ConfigureAwait(false) is not { } found)
            {
                return false;
            }

            if (change(found.Value) is not { } changed)
            {
                return true;
            }

            if ((await _store.WriteAsync(changed, found.Revision, cancellationToken).ConfigureAwait(false)).Written)
            {
                await AnnounceAsync([schedule]).ConfigureAwait(false);
                return true;
            }
        }
    }

    // Not cancelled: what is to be announced has been done.
    private async ValueTask AnnounceAsync(IReadOnlyCollection<string> schedules)
    {
        await _store.AnnounceAsync(schedules, CancellationToken.None).ConfigureAwait(false);
        foreach (var schedule in schedules)
        {
            OnChanged?.Invoke(schedule);
        }
    }

    private async ValueTask<ScheduleInfo> DescribeAsync(ScheduleDocument schedule, CancellationToken cancellationToken)
    {
        var cursor = (await _store.ReadCursorAsync(schedule.Definition.Name, cancellationToken).ConfigureAwait(false)).Value.For(schedule);
        var next = schedule.IsFiring && cursor.RunsLeft(schedule.Definition) > 0 ? schedule.Next(cursor.Cursor) : null;
        return new ScheduleInfo
        {
            Definition = schedule.Definition,
            Version = schedule.Version,
            Source = schedule.Source,
            CreatedAt = schedule.CreatedAt,
            Status = schedule.OrphanedAt is not null ? ScheduleStatus.Orphaned
                : schedule.PausedAt is not null ? ScheduleStatus.Paused
                : !schedule.Definition.IsEnabled ? ScheduleStatus.Disabled
                : next is null ? ScheduleStatus.Ended
                : ScheduleStatus.Active,
            NextDue = next,
            OpenRuns = [.. cursor.Open.Select(open => open.Id)],
            Fired = cursor.Fired - cursor.Open.Count(open => open.PendingSince is not null),
            Succeeded = cursor.Succeeded,
            Failed = cursor.Failed,
            Cancelled = cursor.Cancelled,
            Skipped = cursor.Skipped,
            LastScheduledAt = cursor.Last?.ScheduledAt,
            LastFinishedAt = cursor.Last?.FinishedAt,
            LastOutcome = cursor.Last?.Outcome,
            LastError = cursor.Last?.Error,
        };
    }
}
