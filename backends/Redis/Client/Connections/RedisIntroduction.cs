namespace Millrace.Redis.Client.Connections;

/// <summary>What a client says first on a connection: the protocol's version, its login, its name, its database.</summary>
/// <param name="Login">Its login.</param>
/// <param name="ClientName">Its name in CLIENT LIST; null for none, as for sentinels.</param>
/// <param name="Database">Its database.</param>
internal sealed record RedisIntroduction(RedisLogin Login, string? ClientName, int Database)
{
    /// <exception cref="AccessDeniedException">The server refuses the login.</exception>
    /// <exception cref="MillraceConfigurationException">The server has no such database, or wants no password.</exception>
    public async ValueTask IntroduceAsync(RedisConnection connection)
    {
        try
        {
            await connection.ExecuteAsync(Hello()).ConfigureAwait(false);
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

    private RedisCommand Hello()
    {
        var hello = RedisCommand.Create("HELLO").Add(3);
        if (Login.Password is { } password)
        {
            hello.Add("AUTH").Add(Login.NameOrDefault).Add(password);
        }

        return ClientName is null ? hello : hello.Add("SETNAME").Add(ClientName);
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

            if (ClientName is not null)
            {
                await connection.ExecuteAsync(RedisCommand.Create("CLIENT").Add("SETNAME").Add(ClientName)).ConfigureAwait(false);
            }
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
        "WRONGPASS" => new AccessDeniedException($"Redis at {connection.Address} refuses the user '{Login.NameOrDefault}': the name or the password is wrong, or the user is off.", refusal),
        "NOAUTH" => new AccessDeniedException($"Redis at {connection.Address} wants a password: write redis://:password@host or redis://user:password@host.", refusal),
        "NOPERM" => new AccessDeniedException($"Redis at {connection.Address} does not let the user '{Login.NameOrDefault}' do this: {refusal.Message}", refusal),
        "ERR" when refusal.Message.Contains("without any password", StringComparison.Ordinal) =>
            new MillraceConfigurationException($"Redis at {connection.Address} has no password for the user '{Login.NameOrDefault}', but the URL gives one."),
        "ERR" when refusal.Message.Contains("AUTH", StringComparison.Ordinal) =>
            new AccessDeniedException($"Redis at {connection.Address} refuses the login as '{Login.NameOrDefault}'."),
        _ => new BackendUnavailableException($"Redis at {connection.Address} is not ready: {refusal.Message}", mayHaveBeenApplied: false, refusal),
    };
}
