using Microsoft.Extensions.Logging;
using Millrace.Server.Configuration;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Configuration;

public sealed class ServerConfigurationTests : IDisposable
{
    private const string DefaultStore = "sqlite:/data/millrace.db";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Nothing_IsTheDefaultStore_AndTheDefaults()
    {
        var configuration = Read([]);

        Assert.Empty(configuration.Faults);
        Assert.True(configuration.UsesDefaultStore);
        Assert.Equal(DefaultStore, configuration.Instances["default"].Queue);
        Assert.Equal(["http://127.0.0.1:7070"], configuration.Settings.Options.Urls);
        Assert.All(configuration.Effective, value => Assert.Equal("default", value.Source));
    }

    [Fact]
    public void EveryKey_ReachesWhatItSets_FromEnvironmentAndFile()
    {
        var environment = Read([], ("SERVER__URLS", "http://127.0.0.1:1; http://[::1]:2"), ("SERVER__MAX_REQUEST_BYTES", "2048"), ("SERVER__MAX_WAIT_MS", "5000"),
            ("SERVER__MAX_RECEIVERS", "3"), ("SERVER__RECEIVER_IDLE_MS", "4000"), ("SERVER__MAX_SUBSCRIPTIONS", "5"), ("SERVER__MAX_BATCH", "6"),
            ("SERVER__MAX_CONNECTIONS", "7"), ("SERVER__DRAIN_MS", "8"), ("SERVER__LOG_FORMAT", "json"), ("SERVER__LOG_LEVEL", "Debug"), ("SERVER__HEALTH_TIMEOUT_MS", "90"),
            ("SERVER__HEALTH_CACHE_MS", "10"), ("SERVER__OPTIONAL_INSTANCES", "orders"), ("SERVER__MAX_METRIC_QUEUES", "11"), ("QUEUE__ORDERS__URL", "memory:"));
        var file = Read(
            [
                """
                {
                  // A comment, and a comma too many.
                  "Server": {
                    "Urls": ["http://127.0.0.1:1", "http://[::1]:2"], "MaxRequestBytes": 2048, "MaxWaitMs": 5000, "MaxReceivers": 3, "ReceiverIdleMs": 4000, "MaxSubscriptions": 5,
                    "MaxBatch": 6, "MaxConnections": 7, "DrainMs": 8, "LogFormat": "json", "LogLevel": "Debug", "HealthTimeoutMs": 90, "HealthCacheMs": 10,
                    "OptionalInstances": ["orders"], "MaxMetricQueues": 11,
                  },
                  "Queue": { "Orders": { "Url": "memory:" } }
                }
                """,
            ]);

        foreach (var configuration in (ServerConfiguration[])[environment, file])
        {
            Assert.Empty(configuration.Faults);
            var options = configuration.Settings.Options;
            Assert.Equal(["http://127.0.0.1:1", "http://[::1]:2"], options.Urls);
            Assert.Equal(
                new Millrace.Server.Api.ApiLimits
                {
                    MaxRequestBytes = 2048,
                    MaxWait = TimeSpan.FromSeconds(5),
                    MaxReceivers = 3,
                    ReceiverIdleTime = TimeSpan.FromSeconds(4),
                    MaxSubscriptions = 5,
                    MaxBatch = 6,
                },
                options.Limits);
            Assert.Equal((7, 8.0, 90.0, 10.0, 11), (
                options.MaxConnections,
                options.DrainTimeout.TotalMilliseconds,
                options.HealthTimeout.TotalMilliseconds,
                options.HealthCacheTime.TotalMilliseconds,
                options.MaxMetricQueues));
            Assert.Equal(["orders"], options.OptionalInstances);
            Assert.Equal((true, LogLevel.Debug), (configuration.Settings.IsJsonLog, configuration.Settings.LogLevel));
            Assert.Equal(["orders"], configuration.Instances.Keys);
        }
    }

    [Fact]
    public void TheCommandLine_OverridesTheEnvironment_ThatOverridesTheFile_HoweverAKeyIsSpelt()
    {
        var commandLine = new ConfigurationLayer("the command line");
        commandLine.Add("SERVER:MAX_BATCH", "3", "--set");

        var configuration = Read(
            ["""{ "Server": { "MaxBatch": 1, "MaxReceivers": 1, "DrainMs": 1, "Urls": ["http://127.0.0.1:1", "http://127.0.0.1:2"] }, "Queue": { "Default": { "Url": "sqlite:a.db" } } }"""],
            commandLine,
            ("SERVER__MAX_BATCH", "2"),
            ("server__max_receivers", "2"),
            ("SERVER__URLS", "http://127.0.0.1:3"),
            ("MQ__URL", "memory:"));

        Assert.Empty(configuration.Faults);
        var options = configuration.Settings.Options;
        Assert.Equal((3, 2, 1.0), (options.Limits.MaxBatch, options.Limits.MaxReceivers, options.DrainTimeout.TotalMilliseconds));
        Assert.Equal(["http://127.0.0.1:3"], options.Urls);
        Assert.Equal("memory:", configuration.Instances["default"].Queue);
        Assert.Equal(("memory:", "the environment"), SourceOf(configuration, "QUEUE__URL"));
        Assert.Equal(("3", "the command line"), SourceOf(configuration, "SERVER__MAX_BATCH"));
        Assert.Equal(("1", "millrace.json"), (SourceOf(configuration, "SERVER__DRAIN_MS").Value, Path.GetFileName(SourceOf(configuration, "SERVER__DRAIN_MS").Source)));
    }

    [Fact]
    public void AnotherStore_DoesNotTakeOverTheOptionsOfTheOneBefore_ButOptionsAreAddedOneByOne()
    {
        const string File = """{ "Queue": { "Url": "sqlite:a.db", "Durability": "process" } }""";

        Assert.Equal("memory:", Read([File], ("QUEUE__URL", "memory:")).Instances["default"].Queue);
        Assert.Equal("sqlite:a.db?cachekilobytes=100&durability=process", Read([File], ("QUEUE__CACHE_KILOBYTES", "100")).Instances["default"].Queue);
    }

    [Fact]
    public void TheShapesOfAnInstance_MayLiveElsewhere_AndInstancesInheritNothing()
    {
        var configuration = Read([], ("QUEUE__URL", "sqlite:a.db"), ("LOCK__URL", "sqlite:b.db"), ("QUEUE__ORDERS__URL", "sqlite:c.db"), ("CHANNEL__ORDERS__URL", "memory:"));

        Assert.Empty(configuration.Faults);
        Assert.Equal(("sqlite:a.db", "sqlite:b.db", null), (configuration.Instances["default"].Queue, configuration.Instances["default"].Lock, configuration.Instances["default"].Channel));
        Assert.Equal(("sqlite:c.db", null, "memory:"), (configuration.Instances["orders"].Queue, configuration.Instances["orders"].Lock, configuration.Instances["orders"].Channel));
    }

    [Theory]
    [InlineData("SERVER__MAX_BATCH", "0", "SERVER__MAX_BATCH from the environment is '0'. Allowed are whole numbers from 1 to 100,000.")]
    [InlineData("SERVER__MAX_BATCH", "1e3", "is '1e3'")]
    [InlineData("SERVER__MAX_BATCH", "-1", "is '-1'")]
    [InlineData("SERVER__DRAIN_MS", "3600001", "Allowed are milliseconds from 0 to 3,600,000.")]
    [InlineData("SERVER__LOG_FORMAT", "xml", "Allowed are text, json.")]
    [InlineData("SERVER__LOG_LEVEL", "3", "Allowed are trace, debug")]
    [InlineData("SERVER__MAXBTACH", "1", "Did you mean SERVER__MAX_BATCH?")]
    [InlineData("SERVER__COLOUR", "red", "Known are URLS, MAX_REQUEST_BYTES")]
    [InlineData("SERVER__LIMITS__MAX_BATCH", "1", "after SERVER comes a field")]
    [InlineData("SERVER__URLS", "http://0.0.0.0:80", "or listen on this machine only, such as on http://127.0.0.1:7070. (SERVER__URLS from the environment.)")]
    [InlineData("SERVER__URLS", "https://127.0.0.1:80", "has no certificate")]
    [InlineData("SERVER__URLS", ";", "Allowed are URLs separated by ';'")]
    [InlineData("SERVER__OPTIONAL_INSTANCES", "ordrs", "'ordrs' is not configured. Configured are default.")]
    [InlineData("SERVER__CERTIFICATE_FILE", "server.pem", "A certificate is CertificateFile with KeyFile (PEM), or PfxFile alone")]
    [InlineData("SERVER__CORS_ORIGINS", "example.org", "takes origins as browsers send them")]
    [InlineData("SERVER__CORS_ALLOW_CREDENTIALS", "maybe", "Allowed are true, false.")]
    [InlineData("QUEUE__URL", "nope:", "There is no backend 'nope'. There are memory. (QUEUE__URL from the environment.)")]
    [InlineData("QUEUE__URI", "memory:", "Did you mean QUEUE__URL? (QUEUE__URI from the environment.)")]
    [InlineData("QUEUE__A__B__C", "memory:", "after QUEUE come an instance")]
    public void AWrongVariable_IsNamedWithItsSource_AndWhatIsAllowed(string name, string value, string expected)
    {
        var fault = Assert.Single(Read([], (name, value)).Faults);

        Assert.Contains(expected, fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("EVENT__URL", "amqp://u:secret@h/", "EVENT__URL from the environment is read by nothing: there is no event bus yet.")]
    [InlineData("database__main__url", "x", "database__main__url from the environment is read by nothing: a node has no databases beside its stores.")]
    public void AVariableThatNothingReads_IsToldOf_WithoutItsValue(string name, string value, string expected)
    {
        var configuration = Read([], (name, value));

        Assert.Empty(configuration.Faults);
        Assert.Equal([expected], configuration.Remarks);
    }

    [Theory]
    [InlineData("{", "cannot be read")]
    [InlineData("[]", "cannot be read")]
    [InlineData("""{ "Sever": { "Urls": ["x"] } }""", "Did you mean SERVER?")]
    [InlineData("""{ "Queue": "memory:" }""", "after QUEUE come an instance")]
    [InlineData("""{ "Server": { "MaxBatch": "many" } }""", "Server:MaxBatch in ")]
    public void AWrongFile_IsAFault_ThatNamesIt(string json, string expected)
    {
        var fault = Assert.Single(Read([json]).Faults);

        Assert.Contains(expected, fault, StringComparison.Ordinal);
        Assert.Contains("millrace.json", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileThatIsNotThere_IsAFault()
    {
        var layer = ConfigurationLayer.OfFile(Path.Combine(_folder.FullName, "none.json"));

        Assert.Contains("none.json' cannot be read", Assert.Single(layer.Faults), StringComparison.Ordinal);
    }

    [Fact]
    public void EveryFault_IsFound_NotOnlyTheFirst()
    {
        var configuration = Read(
            ["""{ "Srver": { "X": 1 } }"""],
            ("SERVER__MAX_BATCH", "x"),
            ("SERVER__BOGUS", "1"),
            ("QUEUE__URL", "nope:"),
            ("QUEUE__B__URL", "also:"));

        Assert.Equal(5, configuration.Faults.Count);
    }

    [Fact]
    public void OneSource_ThatContradictsItself_IsAFault_ButAnotherMayOverride()
    {
        Assert.Contains("mean the same", Assert.Single(Read([], ("QUEUE__URL", "memory:"), ("MQ__URL", "memory:?a=1")).Faults), StringComparison.Ordinal);
        Assert.Contains("mean the same", Assert.Single(Read([], ("SERVER__MAX_BATCH", "1"), ("SERVER__MAXBATCH", "2")).Faults), StringComparison.Ordinal);
        Assert.Empty(Read([], ("QUEUE__URL", "memory:"), ("MQ__URL", "memory:")).Faults);
    }

    [Fact]
    public void Secrets_AreMasked_WhereverTheyAreShown()
    {
        var configuration = Read([], ("QUEUE__URL", "memory://me:hunter2@host/?token=hunter2"), ("QUEUE__PASSWORD", "hunter2"), ("QUEUE__B__URL", "hunter2 is my password"), ("LOCK__URL", "nope://me:hunter2@host:99999/"));

        Assert.All(configuration.Effective, value => Assert.DoesNotContain("hunter2", value.Value, StringComparison.Ordinal));
        Assert.Equal("***", configuration.Effective.Single(value => value.Key == "QUEUE__PASSWORD").Value);
    }

    [Fact]
    public void AnEmptyVariable_IsAbsent_AndOtherVariablesAreNotOurs()
    {
        var configuration = Read([], ("SERVER__MAX_BATCH", ""), ("SERVER", "x"), ("QUEUE", "y"), ("SERVERS__X", "z"), ("PATH", "/bin"));

        Assert.Empty(configuration.Faults);
        Assert.All(configuration.Effective, value => Assert.Equal("default", value.Source));
    }

    private static (string Value, string Source) SourceOf(ServerConfiguration configuration, string key)
    {
        var value = configuration.Effective.Single(value => value.Key == key);
        return (value.Value, value.Source);
    }

    private ServerConfiguration Read(string[] files, params (string Name, string? Value)[] environment) => Read(files, null, environment);

    private ServerConfiguration Read(string[] files, ConfigurationLayer? commandLine, params (string Name, string? Value)[] environment)
    {
        var layers = new List<ConfigurationLayer>();
        foreach (var text in files)
        {
            var path = Path.Combine(_folder.FullName, "millrace.json");
            File.WriteAllText(path, text);
            layers.Add(ConfigurationLayer.OfFile(path));
        }

        layers.Add(ConfigurationLayer.OfEnvironment(environment.Select(variable => KeyValuePair.Create(variable.Name, variable.Value))));
        if (commandLine is not null)
        {
            layers.Add(commandLine);
        }

        var backends = new BackendRegistry();
        backends.Add("memory", (_, _) => throw new InvalidOperationException("Nothing is opened."));
        if (files.Length > 0 || environment.Any(variable => variable.Value?.StartsWith("sqlite:", StringComparison.Ordinal) ?? false))
        {
            backends.Add("sqlite", (_, _) => throw new InvalidOperationException("Nothing is opened."));
        }

        return ServerConfiguration.Read(layers, DefaultStore, backends);
    }
}
