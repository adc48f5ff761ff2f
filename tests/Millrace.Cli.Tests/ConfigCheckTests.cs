using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class ConfigCheckTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Check_ShowsWhatHolds_AndWhereItCameFrom_AndOpensNothing()
    {
        var store = Path.Combine(_folder.FullName, "data.db");
        var file = Path.Combine(_folder.FullName, "server.json");
        await File.WriteAllTextAsync(file, """{ "Server": { "DrainMs": 1, "MaxBatch": 1, "LogLevel": "debug" } }""", TestContext.Current.CancellationToken);

        var result = (await RunAsync(
            [("MILLRACE_CONFIG", file), ("SERVER__MAX_BATCH", "2"), ("SERVER__LOG_LEVEL", "error"), ("MILLRACE_URL", "sqlite:" + store)],
            "config", "check", "--json", "--log-level", "none", "--listen", "http://127.0.0.1:1", "--listen", "http://127.0.0.1:2", "--set", "SERVER__MAX_WAIT_MS=9")).Succeeded();

        var values = result.Objects.ToDictionary(value => value.GetProperty("key").GetString()!, value => $"{value.GetProperty("value")} by {value.GetProperty("source")}");
        Assert.Equal($"sqlite:{store} by the environment", values["QUEUE__URL"]);
        Assert.Equal($"1 by {file}", values["SERVER__DRAIN_MS"]);
        Assert.Equal("2 by the environment", values["SERVER__MAX_BATCH"]);
        Assert.Equal("none by the command line", values["SERVER__LOG_LEVEL"]);
        Assert.Equal("9 by the command line", values["SERVER__MAX_WAIT_MS"]);
        Assert.Equal("http://127.0.0.1:1;http://127.0.0.1:2 by the command line", values["SERVER__URLS"]);
        Assert.Equal("10000 by default", values["SERVER__MAX_CONNECTIONS"]);
        Assert.False(File.Exists(store));
    }

    [Fact]
    public async Task Check_SaysEveryFault_OneALine()
    {
        var result = await RunAsync([("SERVER__MAX_BATCH", "0"), ("SERVER__DRAINS_MS", "1"), ("QUEUE__URL", "nope://me:hunter2@host/")], "config", "check", "--log-format", "xml");

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Equal(4, result.Error.TrimEnd('\n').Split('\n').Length);
        Assert.All(result.Error.TrimEnd('\n').Split('\n'), line => Assert.StartsWith("millrace: ", line, StringComparison.Ordinal));
        Assert.DoesNotContain("hunter2", result.Output + result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_WithOpen_OpensTheStores_AndProbesThem()
    {
        var store = Path.Combine(_folder.FullName, "data.db");

        var result = (await RunAsync([], "config", "check", "--open", "--url", "sqlite:" + store)).Succeeded();
        var missing = await RunAsync([], "config", "check", "--open", "--url", $"sqlite:{_folder.FullName}/none/data.db");

        Assert.Equal("default: open and healthy", result.Lines[^1]);
        Assert.True(File.Exists(store));
        Assert.Equal(ExitCodes.Usage, missing.Code);
        Assert.Contains("does not exist", missing.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("SERVER__X")]
    [InlineData("=x")]
    public async Task Set_WithoutKeyOrValue_IsRefused(string text)
    {
        var result = await RunAsync([], "serve", "--set", text);

        result.Failed(ExitCodes.Usage, "--set needs KEY=VALUE");
    }

    [Fact]
    public async Task Serve_WithFaults_SaysThem_AndOpensNothing()
    {
        var store = Path.Combine(_folder.FullName, "data.db");

        var result = await RunAsync([], "serve", "--url", "sqlite:" + store, "--listen", "http://0.0.0.0:1");

        result.Failed(ExitCodes.Usage, "The server has no users, so that everybody who reaches it could do everything");
        Assert.False(File.Exists(store));
    }

    [Fact]
    public async Task Stomp_IsOnByDefault_AndEachOptionSaysSo()
    {
        var byDefault = await RunAsync([], "config", "check");
        var off = await RunAsync([("STOMP__URLS", "stomp://127.0.0.1:5")], "config", "check", "--no-stomp");
        var on = await RunAsync([("STOMP__ENABLED", "false")], "config", "check", "--stomp", "stomp://127.0.0.1:1", "--stomp", "stomp://[::1]:2", "--set", "STOMP__PREFETCH=9");
        var both = await RunAsync([], "config", "check", "--stomp", "stomp://127.0.0.1:1", "--no-stomp");

        Assert.Equal(["STOMP__ENABLED true default", "STOMP__URLS stomp://127.0.0.1:61613 default"], LinesOf(byDefault, "STOMP__ENABLED", "STOMP__URLS"));
        Assert.Equal(["STOMP__ENABLED false the command line"], LinesOf(off, "STOMP__ENABLED"));
        Assert.Equal(
            ["STOMP__ENABLED true the command line", "STOMP__URLS stomp://127.0.0.1:1;stomp://[::1]:2 the command line", "STOMP__PREFETCH 9 the command line"],
            LinesOf(on, "STOMP__ENABLED", "STOMP__URLS", "STOMP__PREFETCH"));
        both.Failed(ExitCodes.Usage, "--stomp and --no-stomp contradict each other");
    }

    private static IEnumerable<string> LinesOf(CliResult result, params string[] keys) =>
        result.Succeeded().Lines.Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))).Where(line => keys.Contains(line.Split(' ')[0]));

    private static async Task<CliResult> RunAsync((string Name, string Value)[] variables, params string[] args)
    {
        var output = new MemoryStream();
        var error = new StringWriter();
        var context = new CliContext
        {
            Input = Stream.Null,
            Output = output,
            Error = error,
            ReadVariable = name => variables.FirstOrDefault(variable => variable.Name == name).Value,
            ListVariables = () => variables.Select(variable => KeyValuePair.Create(variable.Name, (string?)variable.Value)),
        };
        var code = await CommandLine.RunAsync(args, context, TestContext.Current.CancellationToken);
        return new CliResult(code, System.Text.Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }
}
