using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>
/// The backend <c>http:</c> and <c>https:</c>: an instance on a Millrace server, with every contract that the server has for it, under the same laws. The URL is
/// <c>http://user:password@host:7070/instance</c>; without an instance, the default one.
/// </summary>
/// <remarks>
/// <para>Options of the URL: <c>key</c> (a bearer key instead of user and password), <c>timeoutMs</c> (the longest time until an answer; 30,000), <c>connectTimeoutMs</c> (5,000),
/// <c>retryMs</c> (how long a request is repeated that has not reached the server, so that a restart of the server goes unnoticed; 10,000, 0 for not at all), and for
/// <c>https:</c> <c>caFile</c> (a PEM file of authorities to trust instead of the system's).</para>
/// <para>A connection that is cut in the middle of an operation is a <see cref="BackendUnavailableException"/> whose <see cref="BackendUnavailableException.MayHaveBeenApplied"/>
/// says whether the operation's fate is unknown. Receivers and subscriptions come back by themselves.</para>
/// </remarks>
public sealed class HttpBackend : Backend, IHealthProbe
{
    internal const string BackendName = "http";

    private readonly ApiConnection _connection;
    private readonly NodeShapes _shapes;
    private readonly HttpQueueStore? _queues;
    private readonly HttpStreamStore? _streams;
    private readonly HttpChannelTransport? _channels;
    private readonly HttpLockStore? _locks;
    private readonly HttpStateStore? _state;

    private HttpBackend(ApiConnection connection, NodeInfo node)
    {
        _connection = connection;
        _shapes = node.Shapes;
        _queues = node is { Queues: { } capabilities } ? new HttpQueueStore(connection, capabilities, node) : null;
        _streams = node is { Streams: { } streams } ? new HttpStreamStore(connection, streams, node) : null;
        _channels = Has(NodeShapes.Channel) ? new HttpChannelTransport(connection) : null;
        _locks = Has(NodeShapes.Lock) ? new HttpLockStore(connection, node) : null;
        _state = Has(NodeShapes.State) ? new HttpStateStore(connection, node) : null;
    }

    /// <inheritdoc/>
    public override string Name => BackendName;

    /// <inheritdoc/>
    public override IQueueStore? Queues => _queues;

    /// <inheritdoc/>
    public override IStreamStore? Streams => _streams;

    /// <inheritdoc/>
    public override IChannelTransport? Channels => _channels;

    /// <inheritdoc/>
    public override ILockStore? Locks => _locks;

    /// <inheritdoc/>
    public override IStateStore? State => _state;

    /// <inheritdoc/>
    public override IHealthProbe Health => this;

    /// <summary>Connects, and asks the server what it has.</summary>
    /// <exception cref="MillraceConfigurationException">The URL or an option cannot work.</exception>
    /// <exception cref="BackendUnavailableException">The server cannot be reached. Opening does not wait for it.</exception>
    /// <exception cref="AccessDeniedException">The server does not accept the user, the password or the key.</exception>
    public static async ValueTask<Backend> OpenAsync(BackendUrl url, BackendContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(context);
        var connection = new ApiConnection(HttpOptions.Parse(url), context);
        try
        {
            return new HttpBackend(connection, await GreetAsync(connection, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Asks the server for what it has, which it answers only when it serves and accepts the caller.</summary>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var started = _connection.TimeProvider.GetTimestamp();
        var details = new Dictionary<string, string> { ["server"] = _connection.Options.Server };
        string? error = null;
        try
        {
            var node = await GreetAsync(_connection, cancellationToken).ConfigureAwait(false);
            details["version"] = node.Version;
            details["backend"] = node.Backend;
            if (node.Queues is { } queues)
            {
                details["durability"] = queues.Durability.ToString().ToLowerInvariant();
            }
        }
        catch (Exception exception) when (exception is MillraceException or ObjectDisposedException)
        {
            error = exception.Message;
        }

        return new HealthReport(error is null, _connection.TimeProvider.GetElapsedTime(started), error, details);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_queues is not null)
        {
            await _queues.DisposeAsync().ConfigureAwait(false);
        }

        if (_streams is not null)
        {
            await _streams.DisposeAsync().ConfigureAwait(false);
        }

        if (_channels is not null)
        {
            await _channels.DisposeAsync().ConfigureAwait(false);
        }

        await _connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override bool Offers(Type contract) => contract == typeof(IQueueAdmin) ? Has(NodeShapes.QueueAdmin)
        : contract == typeof(IQueueRouting) ? Has(NodeShapes.QueueRouting)
        : contract != typeof(IQueueTransactions) || Has(NodeShapes.QueueTransactions);

    private bool Has(NodeShapes shape) => _shapes.HasFlag(shape);

    private static async ValueTask<NodeInfo> GreetAsync(ApiConnection connection, CancellationToken cancellationToken)
    {
        using var answer = await connection.ExchangeAsync(new ApiRequest(HttpMethod.Get, "") { IsRepeatable = true }, retries: false, cancellationToken).ConfigureAwait(false);
        if (answer.Problem is not null)
        {
            throw connection.Fault(answer);
        }

        try
        {
            var json = answer.Read();
            return NodeWire.Read(ref json);
        }
        catch (WireFormatException exception)
        {
            throw new MillraceConfigurationException($"What answers at {connection.Options.Server} is no Millrace server: {exception.Message}", exception);
        }
    }
}
