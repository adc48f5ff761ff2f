using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Millrace.Configuration;
using Millrace.Diagnostics;
using Millrace.Pipeline;
using Millrace.Queues;
using Millrace.Scheduling;
using Millrace.Scheduling.History;
using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Client;

/// <summary>
/// An opened backend with everything to use it: typed queues and workers, and the contracts beneath them. Safe for concurrent use; one for each backend is
/// enough for a process. Disposing drains the workers that still run, and closes the backend.
/// </summary>
/// <example><code>
/// await using var mill = await MillraceClient.OpenAsync("sqlite:./data.db");
/// await mill.Queue&lt;OrderPlaced&gt;("orders").SendAsync(new OrderPlaced("A-1"));
/// </code></example>
public sealed class MillraceClient : IAsyncDisposable
{
    private readonly InstanceUrls _urls;
    private readonly MillraceClientOptions _options;
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly ConcurrentDictionary<IMessageWorker, bool> _running = [];
    private readonly ConcurrentDictionary<IAsyncDisposable, bool> _streaming = [];
    private volatile Opened? _opened;
    private bool _disposed;

    internal MillraceClient(string instance, InstanceUrls urls, MillraceClientOptions options)
    {
        options.Validate();
        Instance = instance;
        _urls = urls;
        _options = options;
    }

    /// <summary>The name under which the client was configured; <c>default</c> unless it is a named instance.</summary>
    public string Instance { get; }

    /// <summary>The streams of the backend: which there are, their partitions and groups.</summary>
    /// <exception cref="BackendCapabilityException">The backend has no streams.</exception>
    /// <exception cref="MillraceConfigurationException">Nobody has state to keep the metadata of the streams in.</exception>
    public StreamCatalog Streams => State.Streams;

    /// <summary>The schedules: defines, shows, pauses and removes them. A <see cref="Scheduling.Scheduler"/> fires them.</summary>
    /// <exception cref="BackendCapabilityException">The backend has no queues or no state.</exception>
    public ScheduleClient Schedules => State.Schedules.Client;

    /// <summary>The jobs of the backend: to enqueue them, and to look after those that were.</summary>
    /// <exception cref="BackendCapabilityException">The backend has no queues.</exception>
    public JobClient Jobs => State.Jobs;

    /// <summary>The history of the runs of jobs and schedules.</summary>
    /// <exception cref="BackendCapabilityException">The backend has no queues.</exception>
    public RunHistory Runs => State.Jobs.History;

    /// <summary>The probe of the backend's health; a real round trip.</summary>
    public IHealthProbe Health => State.Backends.Health;

    /// <summary>Whether the backends are open: after the opening, before the disposal.</summary>
    internal bool IsOpen => _opened is not null && !_disposed;

    /// <summary>Whether the backend has no channels and <see cref="MillraceClientOptions.ChannelUrlWhereMissing"/> stands in for it.</summary>
    internal bool HasPairedChannels => State.Backends.HasPairedChannels;

    /// <summary>Whether a schedule stands at the class of a registered job.</summary>
    internal bool HasScheduledJobs => ScheduledJobs.Of(_options.Jobs).Any();

    /// <summary>Says that the code of this application defines no schedules: those that it did before are fired no more.</summary>
    internal Task DefineNoSchedulesAsync(CancellationToken cancellationToken) =>
        Find<IStateStore>() is null ? Task.CompletedTask : State.Schedules.DefineNoneAsync(cancellationToken);

    /// <summary>The dispatchers of the queues: whoever leases in this process does it through them.</summary>
    internal QueueDispatchers Dispatchers => State.Dispatchers;

    internal TimeProvider TimeProvider => _options.TimeProvider;

    private Opened State
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _opened ?? throw new MillraceConfigurationException(
                $"The instance '{Instance}' is not open yet. It opens when the host starts; without a host, call await services.OpenMillraceAsync() first.");
        }
    }

    /// <summary>Opens a backend by its URL.</summary>
    /// <param name="url">The URL: <c>memory:</c>, <c>sqlite:./data.db</c>.</param>
    /// <param name="configure">Sets options; null for defaults.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="MillraceConfigurationException">The URL or an option cannot work.</exception>
    /// <exception cref="BackendUnavailableException">The backend cannot be reached.</exception>
    public static async ValueTask<MillraceClient> OpenAsync(string url, Action<MillraceClientOptions>? configure = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(url);
        var options = new MillraceClientOptions();
        configure?.Invoke(options);
        var client = new MillraceClient(InstanceUrls.DefaultInstance, new InstanceUrls { Queue = url }, options);
        await client.EnsureOpenAsync(cancellationToken).ConfigureAwait(false);
        return client;
    }

    /// <summary>A sender to a queue. The queue is created by the first message, unless the store was opened with <c>autocreate=false</c>.</summary>
    /// <typeparam name="T">The type of the messages.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <exception cref="MillraceConfigurationException">The type cannot be serialized, or the backend has no queues.</exception>
    /// <exception cref="InvalidNameException">The name is not valid.</exception>
    public QueueClient<T> Queue<[DynamicallyAccessedMembers(MessageType.Members)] T>(string queue) => new QueueClient<T>(queue, this).Prepare();

    /// <summary>A publisher into every queue that is bound to a topic.</summary>
    /// <typeparam name="T">The type of the messages.</typeparam>
    /// <param name="topic">The topic.</param>
    /// <exception cref="MillraceConfigurationException">The type cannot be serialized, or the backend has no routing.</exception>
    /// <exception cref="InvalidNameException">The topic is not valid.</exception>
    public TopicPublisher<T> Topic<[DynamicallyAccessedMembers(MessageType.Members)] T>(string topic) => new TopicPublisher<T>(topic, this).Prepare();

    /// <summary>A worker that handles the messages of a queue, or of the dead-letter queue of one, with a function. It does nothing until it is started.</summary>
    /// <typeparam name="T">The type of the messages.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Handles one message. Returning completes it, unless <see cref="MessageContext.Result"/> says otherwise; an exception fails the attempt.</param>
    /// <param name="options">How to work; null for defaults.</param>
    /// <exception cref="MillraceConfigurationException">The type cannot be read, an option is out of range, or the backend has no queues.</exception>
    /// <exception cref="InvalidNameException">The name is not valid.</exception>
    public Worker<T> Worker<[DynamicallyAccessedMembers(MessageType.Members)] T>(
        string queue, Func<T, MessageContext, CancellationToken, Task> handler, QueueWorkerOptions? options = null)
    {
        ResourceName.RequireQueue(queue);
        ArgumentNullException.ThrowIfNull(handler);
        var pipeline = HandlePipeline.Compose<T>(PipelineOf(queue), (context, cancellationToken) => handler((T)context.Body, context, cancellationToken));
        var deliveries = new DeliveryHandler(queue, typeof(T), pipeline, _options.Services?.GetService<IServiceScopeFactory>(), _options.LoggerFactory);
        return new Worker<T>(this, new QueueWorker(State.Dispatchers, queue, deliveries.HandleAsync, options) { Telemetry = State.Telemetry });
    }

    /// <summary>A worker that handles the messages of a queue, or of the dead-letter queue of one, with an object. It does nothing until it is started.</summary>
    /// <typeparam name="T">The type of the messages.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Handles the messages; called for several at once when the options say so.</param>
    /// <param name="options">How to work; null for defaults.</param>
    /// <exception cref="MillraceConfigurationException">The type cannot be read, an option is out of range, or the backend has no queues.</exception>
    /// <exception cref="InvalidNameException">The name is not valid.</exception>
    public Worker<T> Worker<[DynamicallyAccessedMembers(MessageType.Members)] T>(string queue, IMessageHandler<T> handler, QueueWorkerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Worker<T>(queue, handler.HandleAsync, options);
    }

    /// <summary>A worker that runs the jobs of a queue that are registered in <see cref="MillraceClientOptions.Jobs"/>. It does nothing until it is started.</summary>
    /// <param name="options">How to work; null for defaults.</param>
    /// <exception cref="MillraceConfigurationException">An option is out of range, or the backend lacks what a limit needs.</exception>
    /// <exception cref="InvalidNameException">The queue's name is not valid.</exception>
    public JobWorker JobWorker(JobWorkerOptions? options = null) => JobWorker(options, Find<IStateStore>() is null ? null : State.Schedules.Gate);

    /// <summary>A worker of jobs that asks about the occurrences of schedules.</summary>
    internal JobWorker JobWorker(JobWorkerOptions? options, IOccurrenceGate? gate) => Jobs.CreateWorker(options ?? new JobWorkerOptions(), gate, State.Telemetry);

    /// <summary>A producer of messages into a stream. The stream is created by the first append unless the options say otherwise.</summary>
    /// <typeparam name="T">The type of the messages.</typeparam>
    /// <param name="stream">The stream's name.</param>
    /// <param name="options">How to append; null for defaults.</param>
    /// <exception cref="MillraceConfigurationException">The type cannot be serialized, an option is out of range, or the backend has no streams.</exception>
    /// <exception cref="InvalidNameException">The name is not valid.</exception>
    public StreamProducer<T> StreamProducer<T>(string stream, StreamProducerOptions<T>? options = null)
    {
        var producer = new StreamProducer<T>(stream, options ?? new StreamProducerOptions<T>(), StreamEnvironmentOf());
        _streaming[producer] = true;
        return producer;
    }

    /// <summary>A consumer of a stream. It opens the stream, and joins its group if it has one, at its first read.</summary>
    /// <typeparam name="T">The type of the messages.</typeparam>
    /// <param name="stream">The stream's name.</param>
    /// <param name="options">How to read; null for all partitions from the earliest record.</param>
    /// <exception cref="MillraceConfigurationException">The type cannot be read, an option is out of range, or the backend has no streams.</exception>
    /// <exception cref="InvalidNameException">The name of the stream or group is not valid.</exception>
    public StreamConsumer<T> StreamConsumer<T>(string stream, StreamConsumerOptions? options = null)
    {
        var consumer = new StreamConsumer<T>(stream, options ?? new StreamConsumerOptions(), StreamEnvironmentOf());
        _streaming[consumer] = true;
        return consumer;
    }

    /// <summary>
    /// A node that fires the schedules, beside any number of others. It does nothing until it is started. Defines those that stand as <see cref="ScheduleAttribute"/> at the jobs that are
    /// registered in <see cref="MillraceClientOptions.Jobs"/>.
    /// </summary>
    /// <param name="options">How to work, and the schedules that the application's code defines; null for defaults.</param>
    /// <exception cref="MillraceConfigurationException">An option is out of range.</exception>
    /// <exception cref="BackendCapabilityException">The backend has no queues or no state.</exception>
    public Scheduler Scheduler(SchedulerOptions? options = null)
    {
        var given = options ?? SchedulerOptions.Default;
        return State.Schedules.NewScheduler(given with { Unread = [.. given.Unread, .. ScheduledJobs.Of(_options.Jobs)] }, Track, Untrack);
    }

    /// <summary>
    /// The contract <typeparamref name="T"/> of the backend: <see cref="IQueueStore"/>, <see cref="IQueueAdmin"/>, <see cref="IQueueRouting"/>, <see cref="IQueueTransactions"/>,
    /// <see cref="IStreamStore"/>, <see cref="IChannelTransport"/>, <see cref="ILockStore"/> or <see cref="IStateStore"/>. It belongs to this client: do not dispose it.
    /// </summary>
    /// <exception cref="BackendCapabilityException">The backend has no such contract; names those that do.</exception>
    public T Require<T>()
        where T : class => State.Backends.Require<T>();

    /// <summary>The contract <typeparamref name="T"/> of the backend, or null; see <see cref="Require{T}"/>.</summary>
    public T? Find<T>()
        where T : class => State.Backends.Find<T>();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _opening.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_disposed)
            {
                return;
            }

            try
            {
                // While the backend is still there, so that what has been handled can be settled.
                await Task.WhenAll(_running.Keys.Select(worker => worker.StopAsync(CancellationToken.None))).ConfigureAwait(false);
                await Task.WhenAll(_streaming.Keys.Select(streaming => streaming.DisposeAsync().AsTask())).ConfigureAwait(false);
            }
            finally
            {
                _disposed = true;
                if (_opened is { } opened)
                {
                    await opened.DisposeAsync().ConfigureAwait(false);
                }
            }
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <summary>Opens the backends, once.</summary>
    internal async ValueTask EnsureOpenAsync(CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_opened is null)
            {
                _opened = await Opened.OpenAsync(this, _urls, _options, cancellationToken).ConfigureAwait(false);
                _options.LoggerFactory.CreateLogger("Millrace.Client").InstanceOpened(Instance, _opened.Backends.Name);
            }
        }
        catch (MillraceConfigurationException exception) when (_urls.Origin is { } origin && exception.GetType() == typeof(MillraceConfigurationException))
        {
            throw new MillraceConfigurationException($"{exception.Message} (Instance '{Instance}', configured by {origin}.)", exception);
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <summary>Remembers a worker that runs, to stop it before the backend is closed.</summary>
    internal void Track(IMessageWorker worker)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _running[worker] = true;
    }

    internal void Untrack(IMessageWorker worker) => _running.TryRemove(worker, out _);

    private StreamEnvironment StreamEnvironmentOf() => new(
        Streams, PipelineOf(null), TimeProvider, _options.LoggerFactory.CreateLogger("Millrace.Streams"), streaming => _streaming.TryRemove(streaming, out _));

    internal PipelineSettings PipelineOf(string? queue) =>
        new(_options, _options.OptionsOf(queue), _options.Serializers, _options.MaxBodyBytes, State.Telemetry);

    /// <summary>What exists only while the client is open.</summary>
    private sealed class Opened : IAsyncDisposable
    {
        // Asked for by the first worker: a backend without queues has none, and says so then.
        private readonly Lazy<QueueDispatchers> _dispatchers;
        private readonly Lazy<StreamCatalog> _streams;
        private readonly Lazy<ScheduleServices> _schedules;
        private readonly Lazy<JobClient> _jobs;

        private Opened(MillraceClient client, ClientBackends backends, MillraceClientOptions options)
        {
            Backends = backends;
            Telemetry = new MillraceTelemetry(backends.Name, options.TimeProvider);
            _dispatchers = new(() => new QueueDispatchers(backends.Require<IQueueStore>(), options.Leasing, options.TimeProvider, options.LoggerFactory)
            {
                Transactions = backends.Find<IQueueTransactions>(),
                Routing = backends.Find<IQueueRouting>(),
            });
            _streams = new(() => new StreamCatalog(backends.Require<IStreamStore>(), backends.RequireStateOfStreams(), options.TimeProvider));
            _jobs = new(() => CreateJobs(client, options));
            _schedules = new(() => new ScheduleServices(_jobs.Value.Environment, options.LoggerFactory));
        }

        public ClientBackends Backends { get; }

        public MillraceTelemetry Telemetry { get; }

        public QueueDispatchers Dispatchers => _dispatchers.Value;

        public StreamCatalog Streams => _streams.Value;

        public ScheduleServices Schedules => _schedules.Value;

        public JobClient Jobs => _jobs.Value;

        public static async ValueTask<Opened> OpenAsync(MillraceClient client, InstanceUrls urls, MillraceClientOptions options, CancellationToken cancellationToken) =>
            new(client, await ClientBackends.OpenAsync(urls, options, cancellationToken).ConfigureAwait(false), options);

        public async ValueTask DisposeAsync()
        {
            if (_dispatchers.IsValueCreated)
            {
                await _dispatchers.Value.DisposeAsync().ConfigureAwait(false);
            }

            if (_streams.IsValueCreated)
            {
                await _streams.Value.CloseAsync().ConfigureAwait(false);
            }

            await Backends.DisposeAsync().ConfigureAwait(false);
        }

        private JobClient CreateJobs(MillraceClient client, MillraceClientOptions options)
        {
            var logger = options.LoggerFactory.CreateLogger("Millrace.Jobs");
            var hasStreams = Backends.Find<IStreamStore>() is not null && (Backends.Find<IStateStore>() is not null || Backends.Of<IStreamStore>()?.State is not null);
            if (!hasStreams && options.RunHistory.IsEnabled)
            {
                logger.NoHistory();
            }

            var runs = new RunAppender(hasStreams ? Streams : null, options.RunHistory, options.TimeProvider, logger);
            return new JobClient(new JobEnvironment(client, options) { Runs = runs });
        }
    }
}
