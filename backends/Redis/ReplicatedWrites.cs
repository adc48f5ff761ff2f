using Millrace.Redis.Client;

namespace Millrace.Redis;

/// <summary>How the stores write: alone, or followed by WAIT where the URL asks for a number of replicas that must have a write before it counts as done.</summary>
/// <param name="executor">The way to the servers.</param>
/// <param name="replicas">How many replicas; 0 for none.</param>
/// <param name="timeout">How long to wait for them.</param>
internal sealed class ReplicatedWrites(IRedisExecutor executor, int replicas, TimeSpan timeout)
{
    public bool WaitsForReplicas => replicas > 0;

    /// <summary>Sends a command that writes.</summary>
    /// <exception cref="BackendUnavailableException">Fewer replicas have it than asked for, or as <see cref="IRedisExecutor.ExecuteAsync"/> says.</exception>
    public ValueTask<RedisReply> ExecuteAsync(RedisCommand command, CancellationToken cancellationToken) => ExecuteAsync(command, static _ => false, cancellationToken);

    /// <summary>The same for a command that may write nothing.</summary>
    /// <param name="command">The command.</param>
    /// <param name="isWithoutEffect">Whether a reply says that nothing was written, so that no replica can lack it.</param>
    /// <param name="cancellationToken">Honoured until the command may have been sent.</param>
    public ValueTask<RedisReply> ExecuteAsync(RedisCommand command, Func<RedisReply, bool> isWithoutEffect, CancellationToken cancellationToken) =>
        replicas == 0 ? executor.ExecuteAsync(command, cancellationToken) : ExecuteAndWaitAsync(command, isWithoutEffect, cancellationToken);

    private async ValueTask<RedisReply> ExecuteAndWaitAsync(RedisCommand command, Func<RedisReply, bool> isWithoutEffect, CancellationToken cancellationToken)
    {
        var wait = RedisCommand.Create("WAIT").Add(replicas).Add((long)timeout.TotalMilliseconds).MayRepeat();

        // Once it may have been sent, only its true result is of use.
        cancellationToken.ThrowIfCancellationRequested();
        var answers = await executor.ExecuteBlockingAsync([command, wait], timeout, CancellationToken.None).ConfigureAwait(false);
        if (answers[0].Kind == RedisReplyKind.Error)
        {
            throw new RedisServerException(answers[0].ToText()!, executor.ServerOf(command), null);
        }

        var reached = answers[1].ToInteger();
        return reached >= replicas || isWithoutEffect(answers[0])
            ? answers[0]
            : throw new BackendUnavailableException(
                $"The write to {RedisKeys.Describe(command.Key)} is stored at Redis at {executor.ServerOf(command)}, but within {timeout.TotalMilliseconds:F0} ms "
                + $"only {reached} of the {replicas} replicas that the option 'wait' asks for had it. It is lost if that server is lost before they have it; done again, it is done twice, unless it has an id of the sender's.",
                mayHaveBeenApplied: true);
    }
}
