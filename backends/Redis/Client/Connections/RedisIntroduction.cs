namespace Millrace.Redis.Client.Connections;

/// <summary>What a client says first on a connection: the protocol's version, its login, its name, its database.</summary>
/// <param name="Login">Its login.</param>
/// <param name="ClientName">Its name in CLIENT LIST.</param>
/// <param name="Database">Its database.</param>
/// <param name="Mode">What the server is expected to be.</param>
internal sealed record RedisIntroduction(RedisLogin Login, string ClientName, int Database, RedisServerMode Mode)
{
    private const string OfSentinels =
        "The login of sentinels is in the options sentinelUser and sentinelPassword, as in redis+sentinel://host:26379/mymaster/0?sentinelPassword=…; "
        + "the one before the host is for the servers behind them.";

    /// <summary>Whether the server must take writes, by what it says of itself; behind sentinels and on a Cluster others see to that.</summary>
    public bool MustBePrimary { get; init; }

    /// <exception cref="AccessDeniedException">The server refuses the login.</exception>
    /// <exception cref="MillraceConfigurationException">The server has no such database, or wants no password, or is a replica.</exception>
    public async ValueTask IntroduceAsync(RedisConnection connection)
    {
        connection.User = Login.NameOrDefault;
        try
        {
            var hello = await connection.ExecuteAsync(Hello()).ConfigureAwait(false);
            RequireMode(connection, hello);
            if (MustBePrimary && ServerGreeting.IsOfReplica(hello))
            {
                throw new MillraceConfigurationException(
                    $"{ServerGreeting.SayReplica(connection.Address)} Name its primary in the URL, or the sentinels that know it, as in redis+sentinel://host:26379/mymaster/0.");
            }
        }
        catch (RedisServerException refusal) when (IsOldServer(refusal))
        {
            // Before Redis 6 there is no HELLO; proxies have none either. What the refusal says may repeat the password, so it is not passed on.
            await IntroduceInOldWayAsync(connection).ConfigureAwait(false);
        }
        catch (RedisServerException refusal)
        {
            throw Refused(connection, refusal);
        }

        if (Database != 0)
        {
            await SelectAsync(connection).ConfigureAwait(false);
        }
    }

    private void RequireMode(RedisConnection connection, RedisReply hello)
    {
        var mode = ServerGreeting.Find(hello, "mode"u8);
        if (mode is null)
        {
            return;
        }

        if (mode == "cluster" && Mode != RedisServerMode.Cluster)
        {
            throw new MillraceConfigurationException($"Redis at {connection.Address} is a node of a Cluster. Name several of its nodes, or add the option cluster=true, as in redis://{connection.Address}/?cluster=true.");
        }

        if (mode == "standalone" && Mode == RedisServerMode.Cluster)
        {
            throw new MillraceConfigurationException($"Redis at {connection.Address} is no node of a Cluster. A URL of one server without cluster=true names a server of its own.");
        }

        if ((mode == "sentinel") != (Mode == RedisServerMode.Sentinel))
        {
            throw new MillraceConfigurationException(Mode == RedisServerMode.Sentinel
                ? $"Redis at {connection.Address} is no Sentinel. A URL of redis+sentinel: names Sentinels, on port {RedisServerAddress.DefaultSentinelPort} as a rule."
                : $"Redis at {connection.Address} is a Sentinel. Write redis+sentinel://{connection.Address}/ and the name of the primary.");
        }
    }

    private RedisCommand Hello()
    {
        var hello = RedisCommand.Create("HELLO").Add(3);
        if (Login.Password is { } password)
        {
            hello.Add("AUTH").Add(Login.NameOrDefault).Add(password);
        }

        return hello.Add("SETNAME").Add(ClientName);
    }

    private static bool IsOldServer(RedisServerException refusal) =>
        refusal.Code == "NOPROTO" || refusal.Message.Contains("unknown command", StringComparison.OrdinalIgnoreCase);

    private async ValueTask IntroduceInOldWayAsync(RedisConnection connection)
    {
        try
        {
            if (Login is { UserName: { } user, Password: { } secret })
            {
                await connection.ExecuteAsync(RedisCommand.Create("AUTH").Add(user).Add(secret)).ConfigureAwait(false);
            }
            else if (Login.Password is { } password)
            {
                await connection.ExecuteAsync(RedisCommand.Create("AUTH").Add(password)).ConfigureAwait(false);
            }

            await connection.ExecuteAsync(RedisCommand.Create("CLIENT").Add("SETNAME").Add(ClientName)).ConfigureAwait(false);
        }
        catch (RedisServerException refusal)
        {
            throw Refused(connection, refusal);
        }
    }

    private async ValueTask SelectAsync(RedisConnection connection)
    {
        try
        {
            await connection.ExecuteAsync(RedisCommand.Create("SELECT").Add(Database)).ConfigureAwait(false);
        }
        catch (RedisServerException refusal) when (refusal.Code == "ERR")
        {
            throw new MillraceConfigurationException($"Redis at {connection.Address} has no database {Database}: {refusal.Message}", refusal);
        }
        catch (RedisServerException refusal)
        {
            throw Refused(connection, refusal);
        }
    }

    private Exception Refused(RedisConnection connection, RedisServerException refusal) => refusal.Code switch
    {
        "WRONGPASS" when Mode == RedisServerMode.Sentinel => new AccessDeniedException(
            $"The sentinel at {connection.Address} refuses the user '{Login.NameOrDefault}': the name or the password is wrong, or the user is off. {OfSentinels}", refusal),
        "NOAUTH" when Mode == RedisServerMode.Sentinel => new AccessDeniedException($"The sentinel at {connection.Address} wants a password. {OfSentinels}", refusal),
        "WRONGPASS" => new AccessDeniedException($"Redis at {connection.Address} refuses the user '{Login.NameOrDefault}': the name or the password is wrong, or the user is off.", refusal),
        "NOAUTH" => new AccessDeniedException($"Redis at {connection.Address} wants a password: write redis://:password@host or redis://user:password@host.", refusal),
        "NOPERM" => new AccessDeniedException($"Redis at {connection.Address} does not let the user '{Login.NameOrDefault}' do this: {refusal.Message}", refusal),
        "ERR" when Mode == RedisServerMode.Sentinel && refusal.Message.Contains("without any password", StringComparison.Ordinal) =>
            new MillraceConfigurationException($"The sentinel at {connection.Address} has no password for the user '{Login.NameOrDefault}', but the option sentinelPassword gives one."),
        "ERR" when refusal.Message.Contains("without any password", StringComparison.Ordinal) =>
            new MillraceConfigurationException($"Redis at {connection.Address} has no password for the user '{Login.NameOrDefault}', but the URL gives one."),
        "ERR" when refusal.Message.Contains("AUTH", StringComparison.Ordinal) =>
            new AccessDeniedException($"Redis at {connection.Address} refuses the login as '{Login.NameOrDefault}'."),
        _ => new BackendUnavailableException($"Redis at {connection.Address} is not ready: {refusal.Message}", mayHaveBeenApplied: false, refusal),
    };
}
