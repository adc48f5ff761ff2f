using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>Wrong command lines: refused before a store is opened.</summary>
public sealed class UsageTests
{
    public static TheoryData<string, string[]> Wrong => new()
    {
        { "QUEUE", ["send"] },
        { "Required command was not provided", [] },
        { "'sned'", ["sned", "q"] },
        { "--bogus", ["send", "q", "x", "--bogus"] },
        { "-p must be 0 to 9, not 10", ["send", "q", "x", "-p", "10"] },
        { "--priority must be 0 to 9, not -1", ["send", "q", "x", "--priority=-1"] },
        { "--delay cannot be negative: '-5s'", ["send", "q", "x", "--delay=-5s"] },
        { "--delay cannot be negative: '-5'", ["send", "q", "x", "--delay", "-5"] },
        { "--ttl needs a duration such as 90", ["send", "q", "x", "--ttl", "soon"] },
        { "--header needs NAME=VALUE, not 'a'", ["send", "q", "x", "-H", "a"] },
        { "two sources", ["send", "q", "x", "--file", "y"] },
        { "--raw and --text exclude each other", ["send", "q", "--raw", "--text"] },
        { "--id is for a single message", ["send", "q", "--id", "x"] },
        { "for JSON lines", ["send", "q", "--raw", "--id-field", "x"] },
        { "--batch must be 1 to 10000, not 0", ["send", "q", "--batch", "0"] },
        { "is no valid queue name: '!' is reserved", ["send", "a!b", "x"] },
        { "is no valid queue name: it is longer than 200 bytes", ["send", new string('q', 201), "x"] },
        { "is no valid queue name: character 2 is a control character", ["send", "a\nb", "x"] },
        { "is no valid queue name: it is empty", ["stats", ""] },
        { "is no valid topic name", ["publish", "", "x"] },
        { "--count must be at least 1, not 0", ["receive", "q", "--count", "0"] },
        { "--since needs a time", ["dead", "list", "q", "--since", "yesterday"] },
        { "MaxDeliveries must be 1 to 1,000,000, not 0", ["queue", "create", "q", "--max-deliveries", "0"] },
        { "MaxLength must be at least 1", ["queue", "settings", "q", "--max-length=-3"] },
        { "--delete-after-idle needs a duration", ["queue", "create", "q", "--delete-after-idle", "later"] },
        { "drop-newest", ["queue", "create", "q", "--overflow", "drop-newest"] },
        { "--server needs http:// or https://, not 'redis://'", ["stats", "--server", "redis://host"] },
        { "--server needs the address of a server, such as http://host:7070", ["stats", "--server", "sqlite:./data.db"] },
        { "--server needs the address of a server", ["stats", "--server", ""] },
        { "--server needs a host, such as http://host:7070", ["stats", "--server", "https://"] },
        { "'host:port' in a http: URL is no host, or its port is not 1 to 65535", ["stats", "--server", "http://me:hunter2@host:port"] },
        { "--url and --server are two stores: give one of them", ["stats", "--server", "http://host:7070", "--url", "memory:"] },
        { "--interval must be 100ms to 1d, not 50ms", ["top", "--interval", "50ms"] },
        { "--limit must be at least 1, not 0", ["top", "--limit", "0"] },
        { "--iterations must be at least 1, not -1", ["top", "--iterations=-1"] },
        { "--once and --iterations exclude each other", ["top", "--once", "--iterations", "2"] },
        { "'size'", ["top", "--sort", "size"] },
        { "--messages and --duration exclude each other", ["bench", "--messages", "1", "--duration", "1s"] },
        { "--messages must be 1 to 1,000,000,000, not 0", ["bench", "--messages", "0"] },
        { "--duration must be more than 0", ["bench", "--duration", "0"] },
        { "--senders must be 1 to 1000, not 0", ["bench", "--senders", "0"] },
        { "--workers must be 1 to 1000, not 1001", ["bench", "--workers", "1001"] },
        { "--batch must be 1 to 10000, not -1", ["bench", "--batch=-1"] },
        { "--size must be at least 24, which say what a message is, not 23", ["bench", "--size", "23"] },
        { "--rate must be more than 0 and at most 1,000,000, not -5", ["bench", "--rate=-5"] },
        { "--batch 10000 times --size 100000 is more than 32 MiB", ["bench", "--batch", "10000", "--size", "100000"] },
        { "is no valid queue name", ["bench", "--queue", "q!dead"] },
        { "'gone'", ["browse", "q", "--state", "gone"] },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task AWrongCommandLine_IsRefusedWithOneSentence_BeforeTheStoreIsOpened(string message, string[] args)
    {
        var error = new StringWriter();
        var output = new MemoryStream();
        var context = new CliContext
        {
            Input = Stream.Null,
            Output = output,
            Error = error,
            OpenBackend = (_, _) => throw new InvalidOperationException("The store was opened."),
        };

        var code = await CommandLine.RunAsync(args, context, TestContext.Current.CancellationToken);

        new CliResult(code, System.Text.Encoding.UTF8.GetString(output.ToArray()), error.ToString()).Failed(ExitCodes.Usage, message);
    }

    [Theory]
    [InlineData("nope:", "There is no backend 'nope'")]
    [InlineData("memory:?durable=1", "has no option 'durable'")]
    [InlineData("data.db", "'data.db' is no backend URL")]
    [InlineData("redis://me:hunter2@host:99999/", "is no host")]
    public async Task AWrongUrl_IsRefused_AndItsPasswordNotRepeated(string url, string message)
    {
        var error = new StringWriter();
        var context = new CliContext { Input = Stream.Null, Output = Stream.Null, Error = error, ReadVariable = name => name == "MILLRACE_URL" ? url : null };

        var code = await CommandLine.RunAsync(["stats"], context, TestContext.Current.CancellationToken);

        new CliResult(code, "", error.ToString()).Failed(ExitCodes.Usage, message);
        Assert.DoesNotContain("hunter2", error.ToString(), StringComparison.Ordinal);
    }
}
