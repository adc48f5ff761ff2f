namespace Millrace.Redis.Client.Connections;

/// <summary>The attempts of commands that make their connection wait. Of one call.</summary>
/// <param name="commands">The commands.</param>
/// <param name="started">When the first attempt began.</param>
internal sealed class BlockingAttempts(IReadOnlyList<RedisCommand> commands, long started)
{
    public long Started => started;

    /// <summary>Whether all of them may be sent again when their fate is unknown.</summary>
    public bool AreIdempotent { get; } = commands.All(command => command.IsIdempotent);

    /// <summary>Whether the replies of one were lost.</summary>
    public bool MayHaveBeenApplied { get; set; }
}
