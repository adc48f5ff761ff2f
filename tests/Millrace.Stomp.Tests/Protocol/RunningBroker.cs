using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Millrace.Client;
using Millrace.Stomp.Security;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>A broker behind Kestrel's sockets on a free port of loopback, on an instance of its own.</summary>
internal sealed class RunningBroker : IAsyncDisposable
{
    private readonly string? _folder;
    private readonly IConnectionListener _listener;
    private readonly Task _accepting;
    private readonly List<Task> _serving = [];

    private RunningBroker(MillraceClient instance, StompBroker broker, RecordingLogger log, IConnectionListener listener, string? folder)
    {
        Instance = instance;
        Broker = broker;
        Log = log;
        _listener = listener;
        _folder = folder;
        _accepting = AcceptAsync();
    }

    public MillraceClient Instance { get; }

    public StompBroker Broker { get; }

    public RecordingLogger Log { get; }

    public EndPoint EndPoint => _listener.EndPoint;

    public IQueueAdmin Admin => Instance.Require<IQueueAdmin>();

    /// <summary>Starts one.</summary>
    /// <param name="store"><c>memory</c>, <c>sqlite</c>, or the scheme of a backend in the setup.</param>
    /// <param name="setup">What differs from the usual.</param>
    public static async Task<RunningBroker> StartAsync(string store = "memory", BrokerSetup? setup = null)
    {
        setup ??= new BrokerSetup();
        var folder = store == "sqlite" ? Directory.CreateTempSubdirectory("millrace-stomp-").FullName : null;
        var log = new RecordingLogger();
        var time = setup.Clock ?? TimeProvider.System;
        var instance = await MillraceClient.OpenAsync(
            folder is null ? $"{store}:{setup.StoreOptions}" : $"sqlite:{Path.Combine(folder, "broker.db")}?durability=process",
            options =>
            {
                options.TimeProvider = time;
                options.LoggerFactory = log;
                options.ChannelUrl = folder is null ? null : "memory:";
                options.Backends = BackendRegistry.CreateDefault();
                if (setup.Store is { } make)
                {
                    options.Backends.Add(store, (_, context, cancellationToken) => make(context, cancellationToken));
                }
            },
            TestContext.Current.CancellationToken);
        var broker = new StompBroker(instance, setup.Options, setup.Authority, time, log);
        var sockets = new SocketTransportFactory(Options.Create(setup.Sockets), NullLoggerFactory.Instance);
        var listener = await sockets.BindAsync(new IPEndPoint(IPAddress.Loopback, 0), TestContext.Current.CancellationToken);
        return new RunningBroker(instance, broker, log, listener, folder);
    }

    /// <summary>Starts one on a store whose gate a test can close.</summary>
    public static async Task<(RunningBroker Broker, PlainStore Store)> StartPlainAsync(BrokerSetup? setup = null)
    {
        PlainStore store = null!;
        var broker = await StartAsync("plain", (setup ?? new BrokerSetup()) with
        {
            Store = async (context, cancellationToken) =>
            {
                store = await PlainStore.CreateAsync(context, cancellationToken);
                return store.ToBackend();
            },
        });
        return (broker, store);
    }

    /// <summary>Opens a connection and says nothing on it.</summary>
    public Task<WireClient> OpenAsync(int? receiveBufferBytes = null) => WireClient.OpenAsync(EndPoint, receiveBufferBytes);

    /// <summary>Opens a connection and connects.</summary>
    public Task<WireClient> ConnectAsync(string version = "1.2", params string[] headers) => ConnectAsync(version, null, headers);

    /// <summary>Opens a connection with a small buffer for what it receives, and connects.</summary>
    public Task<WireClient> ConnectSlowAsync(string version = "1.2", params string[] headers) => ConnectAsync(version, 4096, headers);

    /// <summary>The connection as the broker sees it.</summary>
    public StompConnectionInfo Describe(WireClient client) =>
        Broker.FindConnection(client.Id) ?? throw new InvalidOperationException($"The broker has no connection '{client.Id}'.");

    /// <summary>Waits until something holds that has no signal of its own: it is looked at each time that the pool has nothing better to do.</summary>
    public static async Task UntilAsync(Func<bool> holds, string what)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < WireClient.Deadline, $"It was waited for in vain that {what}.");
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits until a queue has so many messages that are ready.</summary>
    public async Task UntilReadyAsync(string queue, long count)
    {
        var began = TimeProvider.System.GetTimestamp();
        long ready;
        while ((ready = (await Admin.GetStatsAsync(queue, TestContext.Current.CancellationToken)).Ready) != count)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < WireClient.Deadline, $"The queue '{queue}' has {ready} ready messages, not {count}.");
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits until there are so many connections.</summary>
    public Task UntilConnectionsAsync(int count) => UntilAsync(() => Broker.ConnectionCount == count, $"the broker has {count} connections");

    public async ValueTask DisposeAsync()
    {
        await _listener.UnbindAsync(CancellationToken.None);
        await Broker.DisposeAsync();
        await _accepting;
        await Task.WhenAll(_serving);
        await _listener.DisposeAsync();
        await Instance.DisposeAsync();
        if (_folder is not null)
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private async Task<WireClient> ConnectAsync(string version, int? receiveBufferBytes, string[] headers)
    {
        var client = await OpenAsync(receiveBufferBytes);
        client.Version = version;
        await client.SendAsync("CONNECT", [$"accept-version:{version}", "host:test", .. headers]);
        var connected = await client.NextAsync();
        Assert.Equal("CONNECTED", connected.Command);
        client.Id = connected["session"]!;
        return client;
    }

    private async Task AcceptAsync()
    {
        while (await _listener.AcceptAsync() is { } connection)
        {
            _serving.Add(ServeAsync(connection));
        }
    }

    private async Task ServeAsync(ConnectionContext connection)
    {
        await using (connection)
        {
            await Broker.ServeAsync(connection);
        }
    }
}

/// <summary>What a test wants to be different from the usual.</summary>
internal sealed record BrokerSetup
{
    public StompOptions Options { get; init; } = new();

    public IStompAuthority Authority { get; init; } = new OpenAuthority();

    /// <summary>The clock of broker and store; the system's when null.</summary>
    public ManualTimeProvider? Clock { get; init; }

    /// <summary>A backend of the test's own.</summary>
    public BackendFactoryOfTest? Store { get; init; }

    /// <summary>Options of a store in memory, such as <c>?autocreate=false</c>.</summary>
    public string StoreOptions { get; init; } = "";

    public SocketTransportOptions Sockets { get; init; } = new();
}

/// <summary>Opens a backend of a test's own.</summary>
internal delegate ValueTask<Backend> BackendFactoryOfTest(BackendContext context, CancellationToken cancellationToken);
