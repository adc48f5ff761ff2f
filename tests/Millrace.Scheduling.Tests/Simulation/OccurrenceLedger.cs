using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// The oracle of the simulation: sees every write, message, lease, start and end at the instant at which it takes effect, and says what must not have been. Knows the laws, and nothing of the
/// code that keeps them. What it finds is noted and not thrown, for product code must not catch it.
/// </summary>
internal sealed class OccurrenceLedger(SimulatedTime world, TimeSpan lease)
{
    private readonly Dictionary<string, ClaimedOccurrence> _claimed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, KnownSchedule> _schedules = new(StringComparer.Ordinal);
    private readonly Dictionary<LeaseToken, LeasedRun> _byToken = [];
    private readonly List<LeasedRun> _runs = [];
    private readonly HashSet<string> _recorded = new(StringComparer.Ordinal);
    private readonly HashSet<string> _sent = new(StringComparer.Ordinal);
    private readonly Dictionary<(SimulatedMachine, string), List<string>> _skips = [];
    private readonly List<string> _log = [];
    private long _events;

    /// <summary>What was found first.</summary>
    public string? Violation { get; private set; }

    public int Starts { get; private set; }

    public int Skips => _recorded.Count;

    /// <summary>Called with the name of each schedule whose definition was written.</summary>
    public Action<string>? DefinitionChanged { get; set; }

    /// <summary>The occurrences that a worker has ended as failed while it had their lease.</summary>
    public HashSet<string> Failed { get; } = new(StringComparer.Ordinal);

    public IEnumerable<string> LatestEvents => _log.TakeLast(200);

    public void Note(string what)
    {
        if (_log.Count > 2000)
        {
            _log.RemoveRange(0, 1000);
        }

        _log.Add($"{world.Passed:c} {what}");
    }

    public void Written(SimulatedMachine machine, string key, StateDocument? before, StateDocument? after)
    {
        if (key.StartsWith(ScheduleKeys.DefinitionPrefix, StringComparison.Ordinal))
        {
            DefinitionWritten(key[ScheduleKeys.DefinitionPrefix.Length..], before is not null, after is null ? null : ScheduleDocuments.ReadSchedule(after));
        }
        else if (key.StartsWith(ScheduleKeys.CursorPrefix, StringComparison.Ordinal))
        {
            CursorWritten(
                machine,
                key[ScheduleKeys.CursorPrefix.Length..],
                before is null ? CursorDocument.Empty : ScheduleDocuments.ReadCursor(before),
                after is null ? null : ScheduleDocuments.ReadCursor(after));
        }
        else if (key.StartsWith(JobKeys.Cancels, StringComparison.Ordinal) && after is not null)
        {
            Note($"marked {key[JobKeys.Cancels.Length..]}");
            _claimed[key[JobKeys.Cancels.Length..]].IsMarked = true;
        }
    }

    public void Sent(ReadOnlySpan<Envelope> batch)
    {
        foreach (var envelope in batch)
        {
            var id = envelope.Id.ToString();
            Note($"sent {id}");
            if (_claimed.TryGetValue(id, out var occurrence))
            {
                occurrence.IsSent = true;
            }
            else
            {
                Fail($"{id} was sent, and nobody has claimed it");
            }
        }
    }

    public LeasedRun Leased(SimulatedMachine machine, Delivery delivery)
    {
        var occurrence = _claimed[delivery.Message.Id.ToString()];
        var run = new LeasedRun(occurrence, machine, delivery.Token, delivery.Attempt, ++_events) { LiveUntil = world.Passed + lease };
        occurrence.Leases++;
        if (_runs.Find(other => other.Occurrence == occurrence && other.IsLive(world.Passed)) is not null)
        {
            Fail($"{occurrence.Id} is delivered twice at the same time");
        }

        Note($"leased {occurrence.Id}, attempt {delivery.Attempt}");
        _byToken.Add(run.Token, run);
        _runs.Add(run);
        return run;
    }

    /// <summary>The open deliveries of a machine were renewed.</summary>
    public void Renewed(SimulatedMachine machine)
    {
        _runs.RemoveAll(run => !run.IsLive(world.Passed) && (!run.IsStarted || run.IsFinished || run.Machine.IsDead));
        foreach (var run in _runs)
        {
            if (run.Machine == machine && run.IsLive(world.Passed))
            {
                run.LiveUntil = world.Passed + lease;
            }
        }
    }

    public void Settled(LeaseToken token, SettleResult result)
    {
        var run = _byToken[token];
        if (result == SettleResult.Settled)
        {
            run.IsSettled = true;
        }
        else if (run.IsLive(world.Passed))
        {
            Fail($"the lease of {run.Occurrence.Id} was lost before its time");
        }
    }

    public void Started(LeasedRun run)
    {
        var occurrence = run.Occurrence;
        Note($"started {occurrence.Id}, attempt {run.Attempt}");
        Starts++;
        occurrence.Starts++;
        run.IsStarted = true;
        if (!run.IsLive(world.Passed))
        {
            // A worker that stood still longer than its lease: then nothing holds.
            return;
        }

        if (occurrence.EndedAt < run.LeasedAt)
        {
            Fail($"{occurrence.Id} had ended and starts again");
        }

        if (occurrence.RemovedAt < run.LeasedAt || (occurrence.SupersededAt < run.LeasedAt && run.Attempt <= 1))
        {
            Fail($"{occurrence.Id} starts after its schedule was changed or removed");
        }

        if (occurrence.EndedAt is not null)
        {
            // It has been ended, since it was leased, by a worker that has lost its lease.
            return;
        }

        if (_schedules[occurrence.Schedule].Versions.GetValueOrDefault(occurrence.Version)?.Definition.Overlap.Kind is not { } kind || kind == OverlapKind.Allow)
        {
            return;
        }

        foreach (var other in _runs)
        {
            // One that runs though it has ended has been leased again after its lease was lost, and ended by who lost it.
            if (other != run && other.IsRunning && other.IsLive(world.Passed) && (other.Occurrence.EndedAt is null || other.Occurrence.Leases == 1)
                && other.Occurrence.Schedule == occurrence.Schedule && other.Occurrence.Life == occurrence.Life
                && (kind != OverlapKind.Skip || !(occurrence.IsAskedFor || other.Occurrence.IsAskedFor)))
            {
                Fail($"{occurrence.Id} starts beside {other.Occurrence.Id}, in spite of {kind}");
            }
        }
    }

    public void Recorded(RunRecord record)
    {
        if (record.Count > 1)
        {
            RecordedMany(record);
            return;
        }

        if (record.Outcome == RunOutcome.Sent)
        {
            _sent.Add(record.Run);
        }

        if (!_claimed.TryGetValue(record.Run, out var occurrence))
        {
            _recorded.Add(record.Run);
            return;
        }

        Note($"recorded {record.Run} {record.Outcome} {record.Error}");
        if (record.Outcome != RunOutcome.Skipped)
        {
            return;
        }

        occurrence.SkippedRecords++;
        if (occurrence is { Starts: 0, SupersededAt: null } && record.Error == SkipReason.Misfire)
        {
            Fail($"{record.Run} was claimed, and recorded as {record.Error}");
        }
    }

    private void RecordedMany(RunRecord record)
    {
        var version = ScheduleKeys.VersionOf(record.Run);
        var count = 0L;
        for (var due = (DateTimeOffset?)record.ScheduledAt; due <= record.ScheduledUntil; due = _schedules[record.Schedule!].Versions[version].Next(due.Value))
        {
            _recorded.Add(ScheduleKeys.OfOccurrence(record.Schedule!, version, due.Value));
            count++;
        }

        Note($"recorded {record.Count} from {record.Run} {record.Outcome} {record.Error}");
        if (count != record.Count)
        {
            Fail($"{record.Count} occurrences from {record.Run} were recorded as {record.Error}, and there are {count} up to {record.ScheduledUntil:O}");
        }
    }

    /// <summary>A node has done all that a look at a schedule brought, and nothing went wrong: what it skipped is in the history.</summary>
    public void LookedAt(SimulatedMachine machine, string schedule, bool isFaultless)
    {
        if (_skips.Remove((machine, schedule), out var ids) && isFaultless)
        {
            foreach (var id in ids.Where(id => !_recorded.Contains(id) && !_claimed.ContainsKey(id)))
            {
                Fail($"{id} was skipped, and the history does not say so");
            }
        }
    }

    /// <summary>Everything has come to rest.</summary>
    public void AtRest()
    {
        foreach (var occurrence in _claimed.Values)
        {
            var definition = _schedules[occurrence.Schedule].Versions.GetValueOrDefault(occurrence.Version)?.Definition;
            var isPlain = definition?.Target is MessageTarget;

            // Each lease that was lost counts as an attempt, also before the job has started: a message that kills its workers becomes a dead letter.
            var isExhausted = occurrence.HasFailed && occurrence.Leases > (definition?.Retry ?? JobRetry.Default).MaxAttempts;
            var isExcused = occurrence.IsRemoved || occurrence.IsCancelled || isExhausted || (occurrence.SupersededAt is not null && !occurrence.IsSent);

            // Where a node died between the message and its record, and the definition was changed then, the history says that it was given up.
            var isRecorded = _sent.Contains(occurrence.Id) || (occurrence is { SupersededAt: not null, SkippedRecords: > 0 });
            if (isPlain ? !(occurrence.IsSent && isRecorded) && !isExcused : occurrence.Starts == 0 && occurrence.SkippedRecords == 0 && !isExcused)
            {
                Fail($"{occurrence.Id} was claimed at {occurrence.ClaimedAt} and {(isPlain ? "never sent, or not recorded" : "neither started nor skipped")}");
            }
        }
    }

    /// <summary>The cursor of a schedule that has been fired for some time by clocks that are right.</summary>
    public void UpToDate(string name, CursorDocument cursor, DateTimeOffset now)
    {
        if (_schedules[name].Current is { IsFiring: true } schedule
            && cursor.RunsLeft(schedule.Definition) > 0
            && schedule.Next(cursor.For(schedule).Cursor) is { } next && next + schedule.Definition.Jitter + TimeSpan.FromSeconds(30) < now)
        {
            Fail($"{name} was due at {next:O}, and nobody has looked at {now:O}");
        }
    }

    private void DefinitionWritten(string name, bool existed, ScheduleDocument? document)
    {
        if (!_schedules.TryGetValue(name, out var known))
        {
            _schedules.Add(name, known = new KnownSchedule());
        }

        if (!existed)
        {
            known.Life++;
            known.OfThisLife.Clear();
        }

        Note(document is null ? $"removed {name}" : $"defined {name}, version {document.Version}, paused {document.PausedAt}, {document.Definition.Trigger}, since {document.Since:O}");
        foreach (var occurrence in _claimed.Values.Where(occurrence => occurrence.Schedule == name))
        {
            if (document is null)
            {
                occurrence.RemovedAt ??= ++_events;
            }

            if (document?.Version != occurrence.Version)
            {
                occurrence.SupersededAt ??= ++_events;
            }
        }

        known.Current = document;
        if (document is not null)
        {
            known.Versions[document.Version] = document;
            known.OfThisLife.Add(document.Version);
        }

        DefinitionChanged?.Invoke(name);
    }

    private void CursorWritten(SimulatedMachine machine, string name, CursorDocument before, CursorDocument? after)
    {
        var known = _schedules[name];
        if (after is null)
        {
            if (known.Current is { } current && current.Version == before.Version)
            {
                Fail($"the cursor of {name} was deleted, which has been defined again");
            }

            return;
        }

        if (!known.Versions.TryGetValue(after.Version, out var schedule))
        {
            Fail($"the cursor of {name} is of version {after.Version}, which it never had");
            return;
        }

        // A new schedule goes on with nothing of one of the same name that was removed.
        var isOfThisLife = known.Current is not null && known.OfThisLife.Contains(after.Version);
        var change = new CursorChange(schedule, isOfThisLife && !known.OfThisLife.Contains(before.Version) ? CursorDocument.Empty : before, after);
        Note($"cursor {name}: {change}");
        // One that was given a version, and stood still before it wrote it, may write a lower one than that of a life that came and went meanwhile.
        if (after.Version < before.Version && known.OfThisLife.Contains(before.Version))
        {
            Fail($"the cursor of {name} went back from version {before.Version} to {after.Version}");
        }

        // What was claimed for a schedule that had been removed is dropped, and found to be lost when one of its name is there again.
        if (known.Current is not null && !change.Closed.Exists(id => _claimed[id].IsRemoved) && change.FindViolation() is { } violation)
        {
            Fail($"{name}: {violation}");
        }

        foreach (var open in change.Claims)
        {
            var isSuperseded = known.Current?.Version != after.Version;
            var occurrence = new ClaimedOccurrence(name, known.Life, after.Version, open, world.Passed)
            {
                SupersededAt = isSuperseded ? ++_events : null,
                RemovedAt = isOfThisLife ? null : ++_events,
            };

            // A node that stood still while its schedule was removed may claim what others have claimed before that; nobody runs it.
            if (!_claimed.TryAdd(open.Id, occurrence) && !isSuperseded)
            {
                Fail($"{open.Id} was claimed a second time");
            }
        }

        foreach (var id in change.Closed)
        {
            Closed(machine, _claimed[id], isCancelled: after.Cancelled > before.Cancelled, hasFailed: after.Failed > before.Failed);
        }

        if (change.Skips.Count > 0)
        {
            _skips[(machine, name)] = change.Skips;
        }
    }

    private void Closed(SimulatedMachine machine, ClaimedOccurrence occurrence, bool isCancelled, bool hasFailed)
    {
        occurrence.EndedAt ??= ++_events;
        occurrence.IsCancelled |= isCancelled;
        occurrence.HasFailed |= hasFailed;
        if (isCancelled && !occurrence.IsMarked)
        {
            Fail($"{occurrence.Id} was cancelled, and nobody wanted it");
        }

        // Who has lost the lease has no say about the message any more: whoever has it may drop it, because its schedule was removed.
        if (hasFailed && machine.Handled is { } run && run.Occurrence == occurrence && run.IsLive(world.Passed))
        {
            Failed.Add(occurrence.Id);
        }
    }

    private void Fail(string what)
    {
        Note($"VIOLATION: {what}");
        Violation ??= $"At {world.Passed:c}: {what}.";
    }
}
