using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Client.Sentinel;

/// <summary>
/// Finds the primary by asking the sentinels, and believes it only when it says itself that it is the primary: during a fail-over the sentinels may still name the old one, or
/// name one that does not know yet. Safe for concurrent use.
/// </summary>
internal sealed class SentinelConnector(SentinelRing sentinels, RedisDialer dialer, RedisIntroduction introduction) : IRedisConnector
{
    public string Target => sentinels.Target;

    public async ValueTask<RedisConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var switches = sentinels.Switches;
            var connection = await FindPrimaryAsync(cancellationToken).ConfigureAwait(false);
            if (switches == sentinels.Switches)
            {
                return connection;
            }

            connection.Cut(new IOException("another primary was announced while it was made"));
        }
    }

    private async ValueTask<RedisConnection> FindPrimaryAsync(CancellationToken cancellationToken)
    {
        MillraceException? last = null;
        foreach (var sentinel in sentinels.Snapshot())
        {
            try
            {
                var primary = await sentinels.AskAsync(sentinel, cancellationToken).ConfigureAwait(false);
                var connection = await ConnectToPrimaryAsync(primary, cancellationToken).ConfigureAwait(false);
                sentinels.Prefer(sentinel);
                return connection;
            }
            catch (MillraceException fault)
            {
                // A sentinel that is gone says less than one that has answered.
                last = last is null or BackendUnavailableException ? fault : last;
            }
        }

        throw last!;
    }

    private async ValueTask<RedisConnection> ConnectToPrimaryAsync(RedisServerAddress primary, CancellationToken cancellationToken)
    {
        var connection = await dialer.DialAsync(primary, introduction, cancellationToken).ConfigureAwait(false);
        try
        {
            var role = await connection.ExecuteAsync(RedisCommand.Create("ROLE")).ConfigureAwait(false);
            return role.Items is [var name, ..] && name.Bytes.Span.SequenceEqual("master"u8)
                ? connection
                : throw new BackendUnavailableException($"Redis at {primary}, which the sentinels name as the primary '{sentinels.PrimaryName}', is not (yet) a primary.");
        }
        catch (RedisServerException refusal) when (refusal.Code == "NOPERM")
        {
            connection.Cut(refusal);
            throw new AccessDeniedException($"Redis at {primary} does not let the user '{introduction.Login.NameOrDefault}' use ROLE, without which a primary cannot be told from a replica.", refusal);
        }
        catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied)
        {
            connection.Cut(cut);
            throw RedisFaults.Unprepared(primary.ToString(), cut);
        }
        catch (Exception fault)
        {
            connection.Cut(fault);
            throw;
        }
    }
}
