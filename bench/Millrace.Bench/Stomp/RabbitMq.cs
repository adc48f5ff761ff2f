namespace Millrace.Bench.Stomp;

/// <summary>RabbitMQ with its STOMP plugin, and nothing else switched on.</summary>
/// <remarks>
/// Debian's command wants to be root and goes on as its own user; the script below it runs as whoever calls it, with everything that is its own named by the environment.
/// With <c>RABBITMQ_ALLOW_INPUT</c> that script becomes the broker instead of waiting for it, so that the process started is the one to be measured and killed. The port
/// mapper of Erlang is started here too, or it would stay behind.
/// </remarks>
internal static class RabbitMq
{
    private const string Script = "/usr/lib/rabbitmq/bin/rabbitmq-server";
    private const string PortMapper = "/usr/bin/epmd";

    public static readonly Opponent Opponent = new("rabbitmq", "RabbitMQ", "rabbitmq-server", () => File.Exists(Script) && File.Exists(PortMapper), StartAsync);

    private static async Task<StompBroker> StartAsync(string parent, bool persistent, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateDirectory(Path.Combine(parent, "rabbitmq")).FullName;
        var mapperPort = OpponentProcess.FreePort();
        var mapper = OpponentProcess.Start(
            Directory.CreateDirectory(Path.Combine(parent, "epmd")).FullName, PortMapper, ["-port", $"{mapperPort}", "-address", "127.0.0.1"], new Dictionary<string, string>());
        var port = OpponentProcess.FreePort();
        File.WriteAllText(Path.Combine(folder, "enabled_plugins"), "[rabbitmq_stomp].\n");
        File.WriteAllText(Path.Combine(folder, "rabbitmq.conf"), $"listeners.tcp = none\nstomp.listeners.tcp.1 = 127.0.0.1:{port}\n");
        File.WriteAllText(Path.Combine(folder, "env.conf"), "");
        var process = OpponentProcess.Start(
            folder,
            Script,
            ["-noinput"],
            new Dictionary<string, string>
            {
                ["HOME"] = folder,
                ["RABBITMQ_ALLOW_INPUT"] = "1",
                ["RABBITMQ_NODENAME"] = $"bench{Environment.ProcessId}@localhost",
                ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(folder, "env.conf"),
                ["RABBITMQ_CONFIG_FILE"] = Path.Combine(folder, "rabbitmq.conf"),
                ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(folder, "enabled_plugins"),
                ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "data"),
                ["RABBITMQ_LOG_BASE"] = Path.Combine(folder, "log"),
                ["RABBITMQ_DIST_PORT"] = $"{OpponentProcess.FreePort()}",
                ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-kernel inet_dist_use_interface {127,0,0,1}",
                ["ERL_EPMD_PORT"] = $"{mapperPort}",
                ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            },
            mapper);
        return await process.ReadyAsync("RabbitMQ", StompEndpoint.Loopback(port), cancellationToken);
    }
}
