using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>
/// One member of a consumer group (law S6): shows that it is alive, judges the others, and claims and gives up partitions until everybody has a fair share. The protocol
/// stands in docs/decisions/0009-consumer-groups.md. Safe for concurrent use.
/// </summary>
internal sealed class GroupMember(StreamEnvironment environment, StreamInfo stream, StreamConsumerOptions options, IGroupConsumer consumer) : IAsyncDisposable
{
    private const int PageSize = 1000;

    private readonly SemaphoreSlim _stepping = new(1, 1);

    // One write to a partition's document at a time; inside _stepping.
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly AsyncSignal _stirred = new();
    private readonly Dictionary<string, Observed> _observed = new(StringComparer.Ordinal);
    private readonly Dictionary<int, GroupClaim> _claims = [];
    private readonly string _group = options.Group!;
    private BackgroundLoop? _steps;
    private BackgroundLoop? _watch;
    private ITimer? _beats;
    private long _revision;
    private long _beat;
    private long _confirmedAt;
    private bool _hasLeft;

    /// <summary>The member's name: no other ever has it.</summary>
    public string Id { get; } = $"{Environment.MachineName}-{Environment.ProcessId}-{Guid.NewGuid():N}";

    /// <summary>Whether others cannot have taken this member's partitions yet. Otherwise it has to look before it hands anything out.</summary>
    public bool IsConfirmed => Clock.GetElapsedTime(Volatile.Read(ref _confirmedAt)) < options.SessionTimeout;

    private TimeProvider Clock => environment.TimeProvider;

    private IStateStore State => environment.Catalog.State;

    /// <summary>Joins, and claims what is free.</summary>
    public async ValueTask JoinAsync(CancellationToken cancellationToken)
    {
        await StepAsync(cancellationToken).ConfigureAwait(false);
        if (!options.RunsByItself)
        {
            return;
        }

        var loop = new BackgroundLoopOptions
        {
            TimeProvider = Clock, Logger = environment.Logger, RestartDelay = options.SessionTimeout / 30, MaxRestartDelay = options.SessionTimeout / 3,
        };
        _steps = new BackgroundLoop($"member of group '{_group}' of stream '{stream.Name}'", RunAsync, loop);
        _watch = new BackgroundLoop($"watch of group '{_group}' of stream '{stream.Name}'", WatchAsync, loop);
        _beats = Clock.CreateTimer(static stirred => ((AsyncSignal)stirred!).Set(), _stirred, options.SessionTimeout / 3, options.SessionTimeout / 3);
        _steps.Start();
        _watch.Start();
    }

    /// <summary>Has the member look at its group soon.</summary>
    public void Stir() => _stirred.Set();

    /// <summary>Shows that the member lives, looks at the group, and does what is to be done.</summary>
    public async ValueTask StepAsync(CancellationToken cancellationToken)
    {
        await _stepping.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_hasLeft)
            {
                return;
            }

            // Counted from before the beat: others count from when they see it.
            var basis = Clock.GetTimestamp();
            var isNew = _beat == 0;
            await State.PutAsync(StreamKeys.OfMember(stream.Name, _group, Id), StreamDocuments.Write(new GroupMemberDocument { Member = Id, Beat = ++_beat }), null, cancellationToken)
                .ConfigureAwait(false);
            var view = await ReadAsync(cancellationToken).ConfigureAwait(false);
            Verify(view);
            Volatile.Write(ref _confirmedAt, basis);
            var live = await JudgeAsync(view, cancellationToken).ConfigureAwait(false);
            if (await BalanceAsync(view, live, cancellationToken).ConfigureAwait(false) || isNew)
            {
                await environment.Catalog.RingAsync(stream.Name, _group, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _stepping.Release();
        }
    }

    /// <summary>Commits an offset.</summary>
    /// <returns>False when the partition has been lost.</returns>
    public async ValueTask<bool> CommitAsync(GroupClaim claim, long offset, CancellationToken cancellationToken)
    {
        if (await WriteAsync(claim, Id, offset, cancellationToken).ConfigureAwait(false))
        {
            return true;
        }

        Stir();
        return false;
    }

    /// <summary>Whether a partition is still this member's under its claim's epoch.</summary>
    public async ValueTask<bool> OwnsAsync(GroupClaim claim, CancellationToken cancellationToken) =>
        !claim.IsReleased
        && await State.GetAsync(StreamKeys.OfPartition(stream.Name, _group, claim.Partition), cancellationToken).ConfigureAwait(false) is { } found
        && IsOwned(claim, StreamDocuments.ReadPartition(found));

    /// <summary>Leaves: gives up every partition, so that others need not wait until this member is missed.</summary>
    public async ValueTask DisposeAsync()
    {
        _beats?.Dispose();
        if (_steps is not null && _watch is not null)
        {
            _stirred.Set();
            await Task.WhenAll(_steps.StopAsync(options.SessionTimeout), _watch.StopAsync(TimeSpan.Zero)).ConfigureAwait(false);
        }

        await _stepping.WaitAsync().ConfigureAwait(false);
        try
        {
            _hasLeft = true;
            foreach (var claim in _claims.Values.ToList())
            {
                await ReleaseAsync(claim, mustBeIdle: false, CancellationToken.None).ConfigureAwait(false);
            }

            await State.DeleteAsync(StreamKeys.OfMember(stream.Name, _group, Id), null, CancellationToken.None).ConfigureAwait(false);
            await environment.Catalog.RingAsync(stream.Name, _group, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is MillraceException or ObjectDisposedException)
        {
            environment.Logger.GroupLeaveFailed(exception, _group, stream.Name, options.SessionTimeout);
        }
        finally
        {
            _stepping.Release();
        }
    }

    private async Task RunAsync(LoopTokens tokens)
    {
        using var stop = tokens.Draining.UnsafeRegister(static stirred => ((AsyncSignal)stirred!).Set(), _stirred);
        while (!tokens.Draining.IsCancellationRequested)
        {
            await _stirred.WaitAsync().ConfigureAwait(false);
            if (tokens.Draining.IsCancellationRequested)
            {
                return;
            }

            try
            {
                await StepAsync(tokens.Stopping).ConfigureAwait(false);
            }
            catch (MillraceException exception) when (exception.IsTransient)
            {
                // The next beat tries again.
                environment.Logger.GroupStepFailed(exception, _group, stream.Name);
            }
        }
    }

    private async Task WatchAsync(LoopTokens tokens)
    {
        while (!tokens.Draining.IsCancellationRequested)
        {
            _revision = await State.WaitForChangeAsync(StreamKeys.OfBell(stream.Name, _group), _revision, tokens.Draining).ConfigureAwait(false);
            _stirred.Set();
        }
    }

    private async ValueTask<GroupView> ReadAsync(CancellationToken cancellationToken)
    {
        var view = new GroupView(stream.Settings.Partitions);
        var members = StreamKeys.OfMembers(stream.Name, _group);
        string? after = null;
        while (true)
        {
            var page = await State.ListAsync(StreamKeys.OfGroup(stream.Name, _group), after, PageSize, cancellationToken).ConfigureAwait(false);
            _revision = _revision == 0 ? page.Revision : _revision;
            foreach (var document in page.Documents)
            {
                if (StreamKeys.IsPartition(document.Key))
                {
                    var partition = StreamDocuments.ReadPartition(document);
                    view.Partitions[partition.Partition] = (partition, document.Version);
                }
                else if (document.Key.StartsWith(members, StringComparison.Ordinal))
                {
                    view.Members.Add(document.Key[members.Length..], document.Version);
                }
            }

            if (page.Documents.Count < PageSize)
            {
                return view;
            }

            after = page.Documents[^1].Key;
        }
    }

    /// <summary>Drops the claims that others have overruled.</summary>
    private void Verify(GroupView view)
    {
        foreach (var claim in _claims.Values.ToList())
        {
            if (view.Partitions[claim.Partition] is not var (document, _) || !IsOwned(claim, document))
            {
                environment.Logger.GroupPartitionLost(claim.Partition, _group, stream.Name, claim.Epoch);
                Drop(claim);
            }
        }
    }

    /// <summary>The members whose documents have moved within the session timeout, by this member's own clock. The documents of others are removed.</summary>
    private async ValueTask<List<string>> JudgeAsync(GroupView view, CancellationToken cancellationToken)
    {
        var now = Clock.GetTimestamp();
        var live = new List<string> { Id };
        foreach (var gone in _observed.Keys.Where(member => !view.Members.ContainsKey(member)).ToList())
        {
            _observed.Remove(gone);
        }

        foreach (var (member, version) in view.Members)
        {
            if (member == Id)
            {
                continue;
            }

            if (!_observed.TryGetValue(member, out var observed) || observed.Version != version)
            {
                _observed[member] = observed = new Observed(version, now);
            }

            if (Clock.GetElapsedTime(observed.MovedAt, now) < options.SessionTimeout)
            {
                live.Add(member);
            }
            else if ((await State.DeleteAsync(StreamKeys.OfMember(stream.Name, _group, member), version, cancellationToken).ConfigureAwait(false)).Written)
            {
                environment.Logger.GroupMemberMissed(member, _group, stream.Name, options.SessionTimeout);
                _observed.Remove(member);
            }
            else
            {
                // It has moved in this moment.
                live.Add(member);
            }
        }

        return live;
    }

    /// <returns>Whether others should look again.</returns>
    private async ValueTask<bool> BalanceAsync(GroupView view, List<string> live, CancellationToken cancellationToken)
    {
        var owners = new string?[view.Partitions.Length];
        for (var i = 0; i < owners.Length; i++)
        {
            var owner = view.Partitions[i]?.Document.Owner;
            owners[i] = owner is not null && live.Contains(owner) && (owner != Id || _claims.ContainsKey(i)) ? owner : null;
        }

        var plan = GroupPlan.Of(Id, live, owners);
        MarkSurplus(plan.Surplus);
        var changed = false;
        foreach (var claim in _claims.Values.Where(claim => claim.RevokedAt is not null).ToList())
        {
            // A caller who never comes back must not hold the partition for ever; what it then commits is refused.
            var isOverdue = Clock.GetElapsedTime(claim.RevokedAt!.Value) >= options.SessionTimeout;
            changed |= await ReleaseAsync(claim, mustBeIdle: !isOverdue, cancellationToken).ConfigureAwait(false);
        }

        foreach (var partition in plan.Claims)
        {
            await ClaimAsync(partition, view.Partitions[partition], cancellationToken).ConfigureAwait(false);
        }

        return changed;
    }

    private void MarkSurplus(int surplus)
    {
        // Those that are being given up already go first, then the highest.
        foreach (var (i, claim) in _claims.Values.OrderBy(claim => claim.RevokedAt is null).ThenByDescending(claim => claim.Partition).Index())
        {
            claim.RevokedAt = i < surplus ? claim.RevokedAt ?? Clock.GetTimestamp() : null;
            consumer.Revoke(claim, claim.RevokedAt is not null);
        }
    }

    private async ValueTask ClaimAsync(int partition, (GroupPartitionDocument Document, long Version)? found, CancellationToken cancellationToken)
    {
        var log = await environment.Catalog.OpenPartitionAsync(stream.Name, partition, cancellationToken).ConfigureAwait(false);
        var document = new GroupPartitionDocument
        {
            Group = _group,
            Partition = partition,
            Epoch = (found?.Document.Epoch ?? 0) + 1,
            Owner = Id,
            Offset = found?.Document.Offset ?? await options.Start.ResolveAsync(log, cancellationToken).ConfigureAwait(false),
        };
        var written = await State.PutAsync(
            StreamKeys.OfPartition(stream.Name, _group, partition), StreamDocuments.Write(document), found?.Version ?? IStateStore.Absent, cancellationToken).ConfigureAwait(false);
        if (written.Written)
        {
            var claim = new GroupClaim(partition, document.Epoch, written.Version, document.Offset);
            _claims.Add(partition, claim);
            consumer.Gain(claim, log);
        }
        else
        {
            // Somebody was faster, or the owner has committed in this moment.
            Stir();
        }
    }

    /// <returns>Whether the partition is free for others now.</returns>
    private async ValueTask<bool> ReleaseAsync(GroupClaim claim, bool mustBeIdle, CancellationToken cancellationToken)
    {
        if (!await consumer.SettleAsync(claim, cancellationToken).ConfigureAwait(false) && mustBeIdle)
        {
            return false;
        }

        // Before it is free: nothing of it is handed out from here on.
        Drop(claim);
        await WriteAsync(claim, null, null, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private void Drop(GroupClaim claim)
    {
        _claims.Remove(claim.Partition);
        consumer.Lose(claim);
    }

    /// <param name="claim">The claim.</param>
    /// <param name="owner">This member, or null to give the partition up.</param>
    /// <param name="offset">The offset; null for the one that stands.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>False when the partition is no longer this member's under this epoch.</returns>
    private async ValueTask<bool> WriteAsync(GroupClaim claim, string? owner, long? offset, CancellationToken cancellationToken)
    {
        var key = StreamKeys.OfPartition(stream.Name, _group, claim.Partition);
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (!claim.IsReleased)
            {
                var document = new GroupPartitionDocument { Group = _group, Partition = claim.Partition, Epoch = claim.Epoch, Owner = owner, Offset = offset ?? claim.Committed };
                var written = await State.PutAsync(key, StreamDocuments.Write(document), claim.Version, cancellationToken).ConfigureAwait(false);
                if (written.Written)
                {
                    (claim.Version, claim.Committed, claim.IsReleased) = (written.Version, document.Offset, owner is null);
                    return true;
                }

                // Perhaps only by an earlier write of this member, whose answer was lost.
                if (await State.GetAsync(key, cancellationToken).ConfigureAwait(false) is not { } found
                    || StreamDocuments.ReadPartition(found) is not { } standing || !IsOwned(claim, standing))
                {
                    return false;
                }

                (claim.Version, claim.Committed) = (found.Version, standing.Offset);
            }

            return false;
        }
        finally
        {
            _writing.Release();
        }
    }

    private bool IsOwned(GroupClaim claim, GroupPartitionDocument document) => document.Owner == Id && document.Epoch == claim.Epoch;

    private readonly record struct Observed(long Version, long MovedAt);

    /// <summary>The documents of a group at one moment.</summary>
    private sealed class GroupView(int partitions)
    {
        public (GroupPartitionDocument Document, long Version)?[] Partitions { get; } = new (GroupPartitionDocument, long)?[partitions];

        public Dictionary<string, long> Members { get; } = new(StringComparer.Ordinal);
    }
}
