using System.Collections.Concurrent;
using System.Globalization;

namespace Millrace.Testing.Servers;

/// <summary>
/// A Redis server of its own for tests, from Debian's <c>redis-server</c>: on a free port of the loopback address, with a temporary folder. Killed on disposal, and by the kernel
/// when the test's process ends in any other way.
/// </summary>
public sealed class LocalRedis : IAsyncDisposable
{
    /// <summary>127.0.0.1.</summary>
    public const string Host = "127.0.0.1";

    private const int StartAttempts = 10;

    // Reached only where something is wrong.
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    // Their folders go with the process where nobody has disposed them.
    private static readonly ConcurrentDictionary<LocalRedis, bool> Undisposed = RemoveAtExit();

    private readonly LocalRedisOptions _options;
    private readonly Func<LocalRedis, IEnumerable<string>> _arguments;
    private readonly string _ready;
    private readonly ServerLog _log;
    private ServerProcess? _process;

    private LocalRedis(LocalRedisOptions options, string kind, string ready, Func<LocalRedis, IEnumerable<string>> arguments)
    {
        (_options, _ready, _arguments) = (options, ready, arguments);
        _log = new ServerLog(kind);
        Folder = Directory.CreateTempSubdirectory("millrace-redis-").FullName;
        Undisposed.TryAdd(this, true);
    }

    /// <summary>Its port, the same over restarts.</summary>
    public int Port { get; private set; }

    /// <summary>The address that it listens on: <see cref="Host"/> or ::1.</summary>
    public string Address => _options.Address;

    /// <summary>Its host and port, as a URL has them.</summary>
    public string EndPoint => string.Create(CultureInfo.InvariantCulture, $"{(Address.Contains(':', StringComparison.Ordinal) ? $"[{Address}]" : Address)}:{Port}");

    /// <summary>Its folder, which stays over restarts and goes on disposal.</summary>
    public string Folder { get; }

    /// <summary>Everything that it has written to its log, over all its starts.</summary>
    public string Log => _log.ToString();

    /// <summary>How many lines its log has, for <see cref="WaitForLogAsync"/>.</summary>
    public int LogLines => _log.Count;

    /// <summary>Whether its process is there, also when it is paused.</summary>
    public bool IsRunning => _process is { HasExited: false };

    /// <summary>The port of the Cluster bus.</summary>
    internal int BusPort { get; private set; }

    private string ConfigurationFile => Path.Combine(Folder, "redis.conf");

    /// <summary>Starts a server and waits until it takes connections.</summary>
    /// <exception cref="MillraceConfigurationException">redis-server is not installed.</exception>
    /// <exception cref="InvalidOperationException">It ended by itself; has its log.</exception>
    public static Task<LocalRedis> StartAsync(LocalRedisOptions? options = null, CancellationToken cancellationToken = default) =>
        StartServerAsync(options ?? LocalRedisOptions.Default, [], cancellationToken);

    internal static Task<LocalRedis> StartServerAsync(LocalRedisOptions options, IReadOnlyList<string> configuration, CancellationToken cancellationToken) =>
        StartAsync(
            new LocalRedis(options, "redis-server", "Ready to accept connections", server => server.ServerArguments()),
            _ => configuration,
            cancellationToken);

    /// <summary>Starts several at once, which takes hardly longer than one.</summary>
    /// <param name="starts">Their starts.</param>
    /// <param name="started">Gets them, those of a start that fails apart.</param>
    internal static async Task StartAllAsync(IEnumerable<Task<LocalRedis>> starts, List<LocalRedis> started)
    {
        Task<LocalRedis>[] all = [.. starts];
        await ((Task)Task.WhenAll(all)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var start in all.Where(start => start.IsCompletedSuccessfully))
        {
            started.Add(await start.ConfigureAwait(false));
        }

        await Task.WhenAll(all).ConfigureAwait(false);
    }

    internal static Task<LocalRedis> StartSentinelAsync(LocalRedisOptions options, IReadOnlyList<string> configuration, CancellationToken cancellationToken) =>
        StartAsync(
            new LocalRedis(options with { Password = null }, "redis-sentinel", "Sentinel ID is", server => [server.ConfigurationFile, "--sentinel"]),
            sentinel => [.. sentinel.Fixed(), .. configuration],
            cancellationToken);

    /// <summary>Waits until a line of the log contains a text, such as <c>+switch-master</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="from">How many lines not to look at: <see cref="LogLines"/> from before what is to be waited for.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The line.</returns>
    /// <exception cref="InvalidOperationException">The server has ended without having written it; has its log.</exception>
    public async Task<string> WaitForLogAsync(string text, int from = 0, CancellationToken cancellationToken = default) =>
        await _log.WaitAsync(text, from, cancellationToken).ConfigureAwait(false)
        ?? throw new InvalidOperationException($"The server on port {Port} has ended without writing '{text}'. Its log:\n{Log}");

    /// <summary>Runs a command through redis-cli.</summary>
    /// <returns>What redis-cli writes, without the line break at the end.</returns>
    /// <exception cref="InvalidOperationException">redis-cli failed, or the server answered with an error; says how.</exception>
    public async Task<string> ExecuteAsync(IEnumerable<string> command, CancellationToken cancellationToken = default)
    {
        var (exitCode, output) = await RunCliAsync(["-e", .. command], cancellationToken).ConfigureAwait(false);
        return exitCode == 0 ? output.TrimEnd('\n') : throw new InvalidOperationException($"redis-cli failed on port {Port}: {output}");
    }

    /// <summary>kill -9. Its folder stays, for <see cref="RestartAsync"/>.</summary>
    public async Task KillAsync(CancellationToken cancellationToken = default)
    {
        if (_process is not null)
        {
            await _process.KillAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>SIGSTOP: its connections stay and nothing is answered.</summary>
    public Task PauseAsync(CancellationToken cancellationToken = default) => RequireProcess().SignalAsync("STOP", cancellationToken);

    /// <summary>SIGCONT, after <see cref="PauseAsync"/>.</summary>
    public Task ResumeAsync(CancellationToken cancellationToken = default) => RequireProcess().SignalAsync("CONT", cancellationToken);

    /// <summary>Kills it if it runs, and starts it again on the same port and folder; returns when it takes connections.</summary>
    public async Task RestartAsync(CancellationToken cancellationToken = default)
    {
        await KillAsync(cancellationToken).ConfigureAwait(false);
        if (!await TryStartAsync(cancellationToken).ConfigureAwait(false))
        {
            throw new InvalidOperationException($"The server did not start again on port {Port}. Its log:\n{Log}");
        }
    }

    /// <summary>Kills it and removes its folder.</summary>
    public async ValueTask DisposeAsync()
    {
        await KillAsync().ConfigureAwait(false);
        Remove();
    }

    /// <summary>A value as a configuration file has it.</summary>
    internal static string Quote(string value) =>
        $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    internal Task<(int ExitCode, string Output)> RunCliAsync(IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        ServerProcess.Require("redis-cli", "redis-tools");
        string[] place = ["-h", Address, "-p", Port.ToString(CultureInfo.InvariantCulture), .. _options.Tls?.ClientArguments ?? []];
        var environment = new Dictionary<string, string>();
        if (_options.Password is { } password)
        {
            environment.Add("REDISCLI_AUTH", password);
        }

        return ServerProcess.RunAsync("redis-cli", [.. place, .. arguments], environment, cancellationToken);
    }

    private static async Task<LocalRedis> StartAsync(LocalRedis server, Func<LocalRedis, IReadOnlyList<string>> configuration, CancellationToken cancellationToken)
    {
        try
        {
            for (var attempt = 1; attempt <= StartAttempts; attempt++)
            {
                (server.Port, server.BusPort) = (LocalPorts.Find(server.Address), LocalPorts.Find(server.Address));
                await File.WriteAllLinesAsync(server.ConfigurationFile, configuration(server), cancellationToken).ConfigureAwait(false);
                if (await server.TryStartAsync(cancellationToken).ConfigureAwait(false))
                {
                    return server;
                }

                if (!server.Log.Contains("in use", StringComparison.OrdinalIgnoreCase))
                {
                    break;
                }
            }

            throw new InvalidOperationException($"The server did not start. Its log:\n{server.Log}");
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static ConcurrentDictionary<LocalRedis, bool> RemoveAtExit()
    {
        var undisposed = new ConcurrentDictionary<LocalRedis, bool>();
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            foreach (var server in undisposed.Keys)
            {
                server.Remove();
            }
        };
        return undisposed;
    }

    private async Task<bool> TryStartAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(StartTimeout, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        _process?.Dispose();
        var from = _log.Count;
        _process = await ServerProcess.StartAsync("redis-server", "redis-server", _arguments(this), _log).ConfigureAwait(false);
        return await _log.WaitAsync(_ready, from, either.Token).ConfigureAwait(false) is not null;
    }

    private IEnumerable<string> Fixed() =>
    [
        $"bind {Address}", .. Ports().Select(setting => $"{setting.Name} {Quote(setting.Value)}"), $"dir {Quote(Folder)}", "logfile \"\"", "daemonize no",
    ];

    private IEnumerable<(string Name, string Value)> Ports()
    {
        var port = Port.ToString(CultureInfo.InvariantCulture);
        return _options.Tls is { } tls ? [("port", "0"), ("tls-port", port), .. tls.Settings] : [("port", port)];
    }

    private IEnumerable<string> ServerArguments()
    {
        string[] password = _options.Password is { } text ? ["--requirepass", text, "--masterauth", text] : [];
        var ports = Ports().SelectMany(setting => (string[])["--" + setting.Name, setting.Value]);
        string[] bus = _options.Arguments.Contains("--cluster-enabled") ? ["--cluster-port", BusPort.ToString(CultureInfo.InvariantCulture)] : [];
        return [ConfigurationFile, "--bind", Address, "--dir", Folder, "--logfile", "", "--daemonize", "no", "--save", "", "--appendonly", "no", .. ports, .. bus, .. password, .. _options.Arguments];
    }

    private ServerProcess RequireProcess() => _process ?? throw new InvalidOperationException("The server was not started.");

    private void Remove()
    {
        if (Undisposed.TryRemove(this, out _))
        {
            _process?.Dispose();
            try
            {
                Directory.Delete(Folder, recursive: true);
            }
            catch (IOException)
            {
                // A dying server may still write into it; a temporary folder is no reason to fail a test.
            }
        }
    }
}
