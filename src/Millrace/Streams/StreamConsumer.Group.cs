using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Streams;

public sealed partial class StreamConsumer<T> : IGroupConsumer
{
    /// <summary>Commits everything that was returned so far: the caller has handled it.</summary>
    /// <exception cref="InvalidOperationException">The consumer has no group.</exception>
    /// <exception cref="BackendUnavailableException">The state could not be reached; what was not committed comes again unless a later commit covers it.</exception>
    public async ValueTask<StreamCommitResult> CommitAsync(CancellationToken cancellationToken = default)
    {
        await RequireGroupAsync(cancellationToken).ConfigureAwait(false);
        List<Commit> commits;
        lock (_gate)
        {
            commits = [.. _partitions.Values.Select(partition => new Commit(partition.Number, partition, partition.Delivered))];
        }

        return await CommitAsync(commits, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Commits up to a message, that one included. It is refused when the partition has been lost since the message came, also if this member has it again.</summary>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="InvalidOperationException">The consumer has no group.</exception>
    public async ValueTask<StreamCommitResult> CommitAsync(StreamMessage<T> message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        await RequireGroupAsync(cancellationToken).ConfigureAwait(false);
        var partition = Find(message.Partition);
        return await CommitAsync([new Commit(message.Partition, partition?.Claim?.Epoch == message.Epoch ? partition : null, message.Offset + 1, true)], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Commits given positions. One at or before what is committed changes nothing; one beyond what was returned under the partition's present epoch is refused as lost.
    /// </summary>
    /// <param name="positions">The positions: of each partition, the offset of the first record that is not handled.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="InvalidOperationException">The consumer has no group.</exception>
    public async ValueTask<StreamCommitResult> CommitAsync(IEnumerable<StreamPosition> positions, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(positions);
        await RequireGroupAsync(cancellationToken).ConfigureAwait(false);
        List<Commit> commits = [.. positions.Select(position => new Commit(position.Partition, Find(position.Partition), position.Offset, true))];
        return await CommitAsync(commits, cancellationToken).ConfigureAwait(false);
    }

    void IGroupConsumer.Gain(GroupClaim claim, IStreamPartition log)
    {
        lock (_gate)
        {
            _partitions.Add(claim.Partition, new ConsumedPartition(claim.Partition, log, claim.Start, claim, _gate));
        }

        _wake.Set();
    }

    void IGroupConsumer.Lose(GroupClaim claim)
    {
        lock (_gate)
        {
            if (_partitions.TryGetValue(claim.Partition, out var partition) && partition.Claim == claim)
            {
                partition.Leave();
                _partitions.Remove(claim.Partition);
            }
        }
    }

    void IGroupConsumer.Revoke(GroupClaim claim, bool isRevoking)
    {
        lock (_gate)
        {
            if (_partitions.TryGetValue(claim.Partition, out var partition) && partition.Claim == claim && partition.IsRevoking != isRevoking)
            {
                partition.Revoke(isRevoking);
                _wake.Set();
            }
        }
    }

    async ValueTask<bool> IGroupConsumer.SettleAsync(GroupClaim claim, CancellationToken cancellationToken)
    {
        if (Find(claim.Partition) is not { } partition || partition.Claim != claim)
        {
            return true;
        }

        if (_options.AutoCommit)
        {
            await CommitAsync([new Commit(partition.Number, partition, partition.Handled)], cancellationToken).ConfigureAwait(false);
        }

        lock (_gate)
        {
            return partition.Delivered == partition.Committed;
        }
    }

    private async ValueTask JoinAsync(StreamInfo stream, CancellationToken cancellationToken)
    {
        _member ??= new GroupMember(_environment, stream, _options, this);
        await _member.JoinAsync(cancellationToken).ConfigureAwait(false);
        if (_options is { AutoCommit: true, RunsByItself: true })
        {
            _commits = new BackgroundLoop(
                $"commits of group '{Group}' of stream '{Stream}'", CommitHandledAsync, new BackgroundLoopOptions { TimeProvider = _environment.TimeProvider, Logger = _environment.Logger });
            _commits.Start();
        }
    }

    private async Task CommitHandledAsync(LoopTokens tokens)
    {
        while (true)
        {
            await Task.Delay(_options.AutoCommitInterval, _environment.TimeProvider, tokens.Draining).ConfigureAwait(false);
            List<Commit> commits;
            lock (_gate)
            {
                commits = [.. _partitions.Values.Select(partition => new Commit(partition.Number, partition, partition.Handled))];
            }

            try
            {
                await CommitAsync(commits, tokens.Stopping).ConfigureAwait(false);
            }
            catch (MillraceException exception) when (exception.IsTransient)
            {
                _environment.Logger.CommitFailed(exception, Group!, Stream);
            }
        }
    }

    private async ValueTask<StreamCommitResult> CommitAsync(List<Commit> commits, CancellationToken cancellationToken)
    {
        var startedAt = _environment.Settings.Telemetry.Now();
        Exception? failure = null;
        await _committing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await CommitNowAsync(commits, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            failure = exception;
            throw;
        }
        finally
        {
            _committing.Release();
            _environment.Settings.Telemetry.StreamCommitted(Stream, startedAt, failure);
        }
    }

    private async ValueTask<StreamCommitResult> CommitNowAsync(List<Commit> commits, CancellationToken cancellationToken)
    {
        var committed = new List<StreamPosition>();
        var lost = new List<int>();
        var isRevoking = false;
        foreach (var commit in commits)
        {
            int generation;
            bool isNew;
            lock (_gate)
            {
                if (commit.Partition is not { IsGone: false } || commit.Offset > commit.Partition.Delivered)
                {
                    lost.Add(commit.Number);
                    continue;
                }

                isNew = commit.Offset > commit.Partition.Committed;
                generation = commit.Partition.Generation;
            }

            if (!isNew)
            {
                if (commit.IsAsked && !await _member!.OwnsAsync(commit.Partition.Claim!, cancellationToken).ConfigureAwait(false))
                {
                    lost.Add(commit.Number);
                }
            }
            else if (await _member!.CommitAsync(commit.Partition.Claim!, commit.Offset, cancellationToken).ConfigureAwait(false))
            {
                committed.Add(new StreamPosition(commit.Number, commit.Offset));
                lock (_gate)
                {
                    // A seek in between wants the next commit to be written, whatever it is.
                    commit.Partition.Committed = commit.Partition.Committed < 0 && commit.Partition.Generation != generation ? -1 : commit.Offset;
                    isRevoking |= commit.Partition.IsRevoking;
                }
            }
            else
            {
                lost.Add(commit.Number);
                ((IGroupConsumer)this).Lose(commit.Partition.Claim!);
            }
        }

        if (isRevoking)
        {
            _member!.Stir();
        }

        return new StreamCommitResult(committed, lost);
    }

    private ConsumedPartition? Find(int partition)
    {
        lock (_gate)
        {
            return _partitions.TryGetValue(partition, out var found) ? found : null;
        }
    }

    private ValueTask RequireGroupAsync(CancellationToken cancellationToken) => Group is not null
        ? OpenAsync(cancellationToken)
        : throw new InvalidOperationException($"This consumer of stream '{Stream}' has no group, and so nowhere to commit to: set Group in its options, or keep the offsets yourself.");

    /// <param name="Number">The partition.</param>
    /// <param name="Partition">The partition as it was received; null when it is not this consumer's.</param>
    /// <param name="Offset">The offset to commit.</param>
    /// <param name="IsAsked">Whether the caller named it: then it is told of a loss also where there is nothing to write.</param>
    private readonly record struct Commit(int Number, ConsumedPartition? Partition, long Offset, bool IsAsked = false);
}
