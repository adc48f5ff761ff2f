using Millrace.Storage;

namespace Millrace.Redis.Client.Named;

/// <summary>
/// A client of Redis by its URL: <c>redis://localhost:6379/0</c>, <c>redis://user:password@host</c>, <c>rediss://…</c>, <c>redis+sentinel://h1:26379,h2:26379/mymaster/0</c>, or
/// <c>redis://h1:7000,h2:7001</c> for a Cluster. Connects when it is opened, or with the first command.
/// </summary>
public sealed class RedisClient : IRedisClient
{
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly RedisOptions _options;
    private readonly BackendContext _context;
    private IRedisExecutor? _executor;
    private bool _isDisposed;

    internal RedisClient(string name, RedisOptions options, BackendContext context) => (Name, _options, _context) = (name, options, context);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>A client that is connected.</summary>
    /// <param name="url">Names the servers and the options: <c>timeoutMs</c>, <c>connectTimeoutMs</c>, <c>max_connections</c>, <c>clientName</c>, <c>cluster</c>, those of TLS and Sentinel.</param>
    /// <param name="context">Clock and log; the system's and none unless given.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="MillraceConfigurationException">A part of the URL cannot work.</exception>
    /// <exception cref="BackendUnavailableException">No server could be reached.</exception>
    /// <exception cref="AccessDeniedException">The server refuses the login.</exception>
    public static async ValueTask<RedisClient> OpenAsync(string url, BackendContext? context = null, CancellationToken cancellationToken = default)
    {
        var client = new RedisClient("default", RedisOptions.ParseForClient(BackendUrl.Parse(url)), context ?? new BackendContext());
        try
        {
            await client.EnsureOpenAsync(cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Connects, if it is not connected yet.</summary>
    /// <exception cref="MillraceException">There is no connection; says why. The next command tries again.</exception>
    public async ValueTask EnsureOpenAsync(CancellationToken cancellationToken = default)
    {
        if (Volatile.Read(ref _executor) is not null)
        {
            return;
        }

        await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_executor is null)
            {
                Volatile.Write(ref _executor, await RedisDialing.OpenAsync(_options, _context, cancellationToken).ConfigureAwait(false));
            }
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <inheritdoc/>
    public ValueTask<RedisReply> ExecuteAsync(string command, params ReadOnlySpan<RedisArgument> arguments) => ExecuteAsync(command, arguments, CancellationToken.None);

    /// <inheritdoc/>
    public ValueTask<RedisReply> ExecuteAsync(string command, ReadOnlySpan<RedisArgument> arguments, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(command);
        if (CommandRules.FindRefusal(command, arguments) is { } refusal)
        {
            throw new ArgumentException(refusal, nameof(command));
        }

        var reach = _options.Topology == RedisTopology.Cluster ? CommandRules.FindReach(command, arguments) : CommandReach.One;
        if (reach != CommandReach.One)
        {
            return ExecuteOnAllAsync(command, Array.ConvertAll(arguments.ToArray(), static argument => argument.Copy()), reach, cancellationToken);
        }

        var wait = CommandRules.FindWait(command, arguments);
        var key = CommandRules.FindKey(command, arguments);
        var encoded = RedisCommand.Create(command);
        for (var i = 0; i < arguments.Length; i++)
        {
            arguments[i].AddTo(encoded, i == key);
        }

        if (CommandRules.IsRead(command))
        {
            encoded.MayRepeat();
        }

        return wait is null && Volatile.Read(ref _executor) is { } executor
            ? executor.ExecuteAsync(encoded, cancellationToken)
            : ExecuteSlowlyAsync(encoded, wait, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var start = _context.TimeProvider.GetTimestamp();
        string? error = null;
        try
        {
            await EnsureOpenAsync(cancellationToken).ConfigureAwait(false);
            await _executor!.ProbeAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            error = fault.Message;
        }

        return new HealthReport(error is null, _context.TimeProvider.GetElapsedTime(start), error, new Dictionary<string, string> { ["servers"] = _options.Target });
    }

    /// <summary>Closes the connections. What waits for a reply fails.</summary>
    public async ValueTask DisposeAsync()
    {
        await _opening.WaitAsync().ConfigureAwait(false);
        _isDisposed = true;
        _opening.Release();
        if (_executor is not null)
        {
            await _executor.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Sends a command to every primary of the Cluster.</summary>
    private async ValueTask<RedisReply> ExecuteOnAllAsync(string command, RedisArgument[] arguments, CommandReach reach, CancellationToken cancellationToken)
    {
        await EnsureOpenAsync(cancellationToken).ConfigureAwait(false);
        var replies = await _executor!.ExecuteOnPrimariesAsync(Encode, cancellationToken).ConfigureAwait(false);
        return reach switch
        {
            CommandReach.Joined => RedisReply.OfItems(RedisReplyKind.Array, [.. replies.SelectMany(static one => one.Reply.Items.ToArray())]),
            CommandReach.Summed => RedisReply.OfInteger(replies.Sum(static one => one.Reply.ToInteger())),
            _ => replies[0].Reply,
        };

        RedisCommand Encode()
        {
            var encoded = RedisCommand.Create(command);
            foreach (var argument in arguments)
            {
                argument.AddTo(encoded, isKey: false);
            }

            return encoded;
        }
    }

    private async ValueTask<RedisReply> ExecuteSlowlyAsync(RedisCommand command, TimeSpan? wait, CancellationToken cancellationToken)
    {
        try
        {
            await EnsureOpenAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            command.Free();
            throw;
        }

        return wait is { } longest
            ? (await _executor!.ExecuteBlockingAsync([command], longest, cancellationToken).ConfigureAwait(false))[0]
            : await _executor!.ExecuteAsync(command, cancellationToken).ConfigureAwait(false);
    }
}
