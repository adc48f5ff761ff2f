using System.Globalization;
using System.Text;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Tidy.Tests;

/// <summary>
/// <c>docs/backends.md</c> is written from what the backends declare when they are opened, which is what the conformance suites hold them to. After a change
/// that is meant, run the tests once with <c>MILLRACE_UPDATE_BACKENDS=1</c>.
/// </summary>
public sealed class BackendTableTests
{
    private static readonly (string Url, string Title)[] Backends =
    [
        ("memory:", "memory"),
        ("file:{folder}/store", "file"),
        ("sqlite:{folder}/table.db", "sqlite"),
        ("redis://{redis}/0", "redis"),
    ];

    private static readonly (string Name, Func<Backend, bool> Has)[] Shapes =
    [
        ("queue", backend => backend.Queues is not null),
        ("queue administration", backend => backend.Find<IQueueAdmin>() is not null),
        ("queue routing", backend => backend.Find<IQueueRouting>() is not null),
        ("queue transactions", backend => backend.Find<IQueueTransactions>() is not null),
        ("stream", backend => backend.Streams is not null),
        ("channel", backend => backend.Channels is not null),
        ("lock", backend => backend.Locks is not null),
        ("state", backend => backend.State is not null),
    ];

    private static readonly (string Name, Func<QueueCapabilities, string> Of)[] QueueFacts =
    [
        ("an acknowledged message survives", capabilities => Survives(capabilities.Durability)),
        ("atomic batches (Q1)", capabilities => YesNo(capabilities.Has(QueueFeatures.AtomicBatches))),
        ("deduplication (Q2)", capabilities => YesNo(capabilities.Has(QueueFeatures.Deduplication))),
        ("priorities (Q3)", capabilities => YesNo(capabilities.Has(QueueFeatures.Priorities))),
        ("attempts survive a crash (Q7)", capabilities => YesNo(capabilities.Has(QueueFeatures.CountsAttempts))),
        ("ordered keys (Q8)", capabilities => YesNo(capabilities.Has(QueueFeatures.OrderedKeys))),
        ("bounds (Q9)", capabilities => YesNo(capabilities.Has(QueueFeatures.Bounds))),
        ("browsing and redriving by filter (Q12)", capabilities => YesNo(capabilities.Has(QueueFeatures.Browsing))),
        ("several processes on the same queues", capabilities => YesNo(capabilities.SharedAcrossProcesses)),
        ("longest delay", capabilities => string.Create(CultureInfo.InvariantCulture, $"{capabilities.MaxDelay.TotalDays:0} days")),
        ("largest body", capabilities => string.Create(CultureInfo.InvariantCulture, $"{capabilities.MaxBodyBytes / 1024 / 1024} MiB")),
        ("headers of a message", capabilities => string.Create(CultureInfo.InvariantCulture, $"{capabilities.MaxHeaderBytes / 1024} KiB")),
        ("bytes of a queue, unless set", capabilities => string.Create(CultureInfo.InvariantCulture, $"{capabilities.DefaultMaxBytes / (1024.0 * 1024 * 1024):0.#} GiB")),
    ];

    private static readonly (string Name, Func<StreamCapabilities, string> Of)[] StreamFacts =
    [
        ("an acknowledged append survives", capabilities => Survives(capabilities.Durability)),
        ("several processes on the same partitions (S3)", capabilities => YesNo(capabilities.SharedAcrossProcesses)),
        ("largest record", capabilities => string.Create(CultureInfo.InvariantCulture, $"{capabilities.MaxRecordBytes / 1024 / 1024} MiB")),
        ("largest append", capabilities => string.Create(CultureInfo.InvariantCulture, $"{capabilities.MaxAppendBytes / 1024 / 1024} MiB")),
    ];

    [Fact]
    public async Task ThePage_SaysWhatTheBackendsDeclare()
    {
        var folder = Directory.CreateTempSubdirectory("millrace-table-");
        await using var redis = await LocalRedis.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var stack = new OpenStores(folder.FullName, redis.EndPoint);
        try
        {
            foreach (var (url, title) in Backends)
            {
                await stack.OpenAsync(url, title, TestContext.Current.CancellationToken);
            }

            var path = Path.Combine(Repository.Root, "docs/backends.md");
            var expected = Page(stack);
            if (Environment.GetEnvironmentVariable("MILLRACE_UPDATE_BACKENDS") == "1")
            {
                await File.WriteAllTextAsync(path, expected, TestContext.Current.CancellationToken);
            }

            Assert.Equal(expected, File.Exists(path) ? await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken) : "");
        }
        finally
        {
            await stack.DisposeAsync();
            folder.Delete(recursive: true);
        }
    }

    private static string Page(OpenStores stores)
    {
        var page = new StringBuilder(
            """
            # What each backend can do

            Written by a test from what the backends declare; the conformance suites in `Millrace.Testing` hold them to it, law by law. A shape that is missing is
            refused when it is asked for, with the backends that have it. `http` and `https` are a Millrace server: what it can do is mostly what the store behind it can.


            """);
        Row(page, "", stores.Titles);
        Row(page, "---", stores.Titles.Select(_ => "---"));
        foreach (var (name, has) in Shapes)
        {
            Row(page, name, Cells(stores, backend => YesNo(has(backend))));
        }

        page.Append("\nOn a Redis Cluster there are no queue transactions.\n\n## Queues\n\n");
        Row(page, "", stores.Titles);
        Row(page, "---", stores.Titles.Select(_ => "---"));
        foreach (var (name, of) in QueueFacts)
        {
            Row(page, name, Cells(stores, backend => of(backend.Require<IQueueStore>().Capabilities)));
        }

        page.Append("\n## Streams\n\n");
        Row(page, "", stores.Titles);
        Row(page, "---", stores.Titles.Select(_ => "---"));
        foreach (var (name, of) in StreamFacts)
        {
            Row(page, name, Cells(stores, backend => backend.Streams is { } streams ? of(streams.Capabilities) : "no streams"));
        }

        return page.Append("\nURLs and options of each backend are in [guide/backends.md](guide/backends.md).\n").ToString();
    }

    // The server's column: what is the same through a server as without one is the store's; else it is the server's own, whatever is behind it.
    private static IEnumerable<string> Cells(OpenStores stores, Func<Backend, string> of)
    {
        var direct = stores.Direct.ConvertAll(backend => of(backend));
        var served = stores.Served.ConvertAll(backend => of(backend));
        if (direct.SequenceEqual(served) && served.Exists(cell => cell != YesNo(false)))
        {
            return [.. direct, "as its store"];
        }

        Assert.Single(served.Distinct());
        return [.. direct, served[0]];
    }

    private static void Row(StringBuilder page, string first, IEnumerable<string> cells) =>
        page.Append("| ").Append(first).Append(" | ").AppendJoin(" | ", cells).Append(" |\n");

    private static string Survives(StoreDurability durability) => durability switch
    {
        StoreDurability.None => "nothing: it lives in the process",
        StoreDurability.Process => "kill -9",
        StoreDurability.Full => "a power cut",
        _ => "what the server is set to",
    };

    private static string YesNo(bool value) => value ? "yes" : "no";
}
