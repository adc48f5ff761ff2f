using Millrace.Scheduling.Schedules;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>One write of a cursor, by what it says itself and what its schedule's trigger and policies allow.</summary>
internal sealed class CursorChange
{
    private readonly ScheduleDocument _schedule;
    private readonly CursorDocument _before;
    private readonly CursorDocument _after;
    private readonly DateTimeOffset _from;
    private readonly List<DateTimeOffset> _dues = [];
    private readonly List<OpenOccurrence> _fired;

    public CursorChange(ScheduleDocument schedule, CursorDocument before, CursorDocument after)
    {
        (_schedule, _before, _after) = (schedule, before, after);
        _from = before.Version == after.Version ? before.Cursor : schedule.Since;
        var known = before.Open.Select(open => open.Id).ToHashSet(StringComparer.Ordinal);
        Claims = [.. after.Open.Where(open => !known.Contains(open.Id))];
        _fired = Claims.FindAll(open => !ScheduleKeys.IsAskedFor(open.Id));
        var left = after.Open.Select(open => open.Id).ToHashSet(StringComparer.Ordinal);
        Closed = [.. known.Where(id => !left.Contains(id))];
        for (var due = schedule.Next(_from); due <= after.Cursor; due = schedule.Next(due.Value))
        {
            _dues.Add(due.Value);
        }

        Skips = IsAtLastRun
            ? []
            : [.. _dues.Except(_fired.Select(open => open.Due)).Select(due => ScheduleKeys.OfOccurrence(schedule.Definition.Name, schedule.Version, due))];
    }

    /// <summary>The occurrences that it opens.</summary>
    public List<OpenOccurrence> Claims { get; }

    /// <summary>The ids of those that it closes.</summary>
    public List<string> Closed { get; }

    /// <summary>The ids of those that it passes over.</summary>
    public List<string> Skips { get; }

    private ScheduleDefinition Definition => _schedule.Definition;

    // Beyond its last run a schedule has no occurrences, so none are skipped either.
    private bool IsAtLastRun => _after.RunsLeft(Definition) == 0;

    public override string ToString() =>
        $"version {_before.Version} -> {_after.Version}, {_from:O} -> {_after.Cursor:O}, +[{string.Join(' ', Claims.Select(open => open.Id))}] -[{string.Join(' ', Closed)}], "
        + $"fired {_after.Fired}, skipped {_after.Skipped}, open {_after.Open.Count}";

    /// <summary>What is wrong with it; null if nothing.</summary>
    public string? FindViolation() =>
        _after.Cursor < _from ? $"the cursor went back from {_from:O} to {_after.Cursor:O}"
        : _fired.Find(open => !_dues.Contains(open.Due)) is { Id: { } never } ? $"{never} was claimed, and was not due in this step"
        : _after.Fired - _before.Fired != Claims.Count ? $"{Claims.Count} were claimed, and {_after.Fired - _before.Fired} counted"
        : FindMiscount() ?? FindBrokenPolicy();

    private string? FindMiscount()
    {
        var ended = _after.Succeeded - _before.Succeeded + _after.Failed - _before.Failed + _after.Cancelled - _before.Cancelled;
        var skipped = _after.Skipped - _before.Skipped;
        var passedOver = _dues.Count - _fired.Count;
        if (Definition.Target is MessageTarget)
        {
            return null;
        }

        return ended + skipped != Closed.Count + passedOver && !IsAtLastRun
            ? $"{Closed.Count} were closed and {passedOver} passed over, and {ended} ends and {skipped} skips were counted"
            : null;
    }

    private string? FindBrokenPolicy()
    {
        if (_fired.Count == 0)
        {
            return null;
        }

        if (_fired[0].PendingSince is not { } now)
        {
            return $"{_fired[0].Id} was claimed, and is not marked as not sent yet";
        }

        var missed = _dues.Count(due => now - due - Definition.Jitter > Definition.Misfire.Grace);
        var isInTurn = Definition.Target is JobTarget && Definition.Overlap.Kind != OverlapKind.Allow && Definition.Misfire.MaxFired > 1;
        var most = isInTurn && Definition.Overlap.Kind != OverlapKind.CancelRunning
            ? Math.Max(0, Definition.Misfire.MaxFired - _before.Open.Count(open => open.IsInTurn))
            : Definition.Misfire.MaxFired;
        var madeUp = Math.Min(missed, most) + _dues.Count - missed;
        var caughtUp = isInTurn ? Math.Min(missed, most) : 0;
        var room = Definition.Target is MessageTarget ? OverlapPolicy.MostOpen - _before.Open.Count(open => open.PendingSince is not null)
            : Definition.Overlap.Kind == OverlapKind.CancelRunning ? caughtUp + 1
            : caughtUp + Math.Max(0, Definition.Overlap.MaxOpen - _before.Open.Count);
        var expected = Math.Min(Math.Min(madeUp, room), _before.RunsLeft(Definition));
        return _fired.Count != expected
            ? $"{_fired.Count} of {_dues.Count} due, {missed} of them missed, were claimed at {now:O}, where {Definition.Overlap.Kind} and {Definition.Misfire} and {_before.Open.Count} open ones allow {expected}"
            : FindOutOfTurn(caughtUp > 0);
    }

    private string? FindOutOfTurn(bool isCaughtUp)
    {
        var first = Definition.Overlap.Kind == OverlapKind.CancelRunning ? 1 : 0;
        return _fired.FindIndex(open => open.IsInTurn) is var at && at == (isCaughtUp && _fired.Count > first ? first : -1)
            ? null
            : $"{_fired.Count} were claimed, and {at} is the first of them that runs in turn, though they {(isCaughtUp ? "make up for" : "are no")} missed ones";
    }
}
