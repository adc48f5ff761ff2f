namespace Millrace.Bench.Stomp;

/// <summary>ActiveMQ Classic with a STOMP connector, and neither console, JMX nor another protocol.</summary>
internal static class ActiveMq
{
    private const string Home = "/usr/share/activemq";
    private const string Jar = $"{Home}/bin/activemq.jar";
    private const string Java = "/usr/bin/java";

    // Without a configuration its log formats every line down to the level of debugging, and then drops it.
    private const string Logging = """
        log4j.rootLogger=WARN, out
        log4j.appender.out=org.apache.log4j.ConsoleAppender
        log4j.appender.out.layout=org.apache.log4j.SimpleLayout
        """;

    public static readonly Opponent Opponent = new("activemq", "ActiveMQ", "activemq", () => File.Exists(Jar) && File.Exists(Java), StartAsync);

    private static async Task<StompBroker> StartAsync(string parent, bool persistent, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateDirectory(Path.Combine(parent, "activemq")).FullName;
        var port = OpponentProcess.FreePort();
        File.WriteAllText(Path.Combine(folder, "log4j.properties"), Logging);
        var process = OpponentProcess.Start(
            folder,
            Java,
            [
                // The memory that Debian's own settings give it; what it must be allowed to reach into, as its start script says.
                "-Xms512M", "-Xmx512M",
                "--add-opens", "java.base/java.lang=ALL-UNNAMED", "--add-opens", "java.base/java.util=ALL-UNNAMED",
                "--add-opens", "java.base/java.net=ALL-UNNAMED", "--add-opens", "java.base/java.util.concurrent=ALL-UNNAMED",
                $"-Djava.io.tmpdir={folder}", $"-Dlog4j.configuration=file:{folder}/log4j.properties",
                $"-Dactivemq.home={Home}", $"-Dactivemq.base={folder}", $"-Dactivemq.conf={folder}", $"-Dactivemq.data={folder}/data",
                "-jar", Jar, "start",
                $"broker:(stomp://127.0.0.1:{port})?brokerName=bench&useJmx=false&persistent={(persistent ? "true" : "false")}&dataDirectory={folder}/data",
            ],
            new Dictionary<string, string> { ["HOME"] = folder });
        return await process.ReadyAsync("ActiveMQ", StompEndpoint.Loopback(port), cancellationToken);
    }
}
