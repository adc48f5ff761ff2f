using System.Text;
using Millrace.App;
using Millrace.App.Commands;
using Millrace.Storage;
using Millrace.Streams;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>A folder with stores of both kinds, filled and read by contract, and <c>millrace migrate</c> between them in this process.</summary>
internal sealed class MigrationWorld : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public string Folder => _folder.FullName;

    /// <summary>The URL of a store of a kind.</summary>
    public string Url(string scheme, string name = "store") => $"{scheme}:{Folder}/{name}.{scheme}";

    public static ValueTask<Backend> OpenAsync(string url) => BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: Token);

    /// <summary>Works with a store, and closes it.</summary>
    public static async Task WithAsync(string url, Func<Backend, Task> workAsync)
    {
        await using var backend = await OpenAsync(url);
        await workAsync(backend);
    }

    /// <summary>The streams of a store.</summary>
    public static StreamAccess.Catalog StreamsOf(Backend backend) => new(backend, TimeProvider.System);

    /// <summary>Runs <c>millrace migrate</c>.</summary>
    public static async Task<CliResult> MigrateAsync(string from, string to, params string[] more)
    {
        var output = new MemoryStream();
        var error = new StringWriter();
        var context = new CliContext { Input = Stream.Null, Output = output, Error = error, ReadVariable = static _ => null };
        var code = await CommandLine.RunAsync(["migrate", "--from", from, "--to", to, .. more], context, Token);
        return new CliResult(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }

    public static Envelope Text(string id, string? body = null) => new(Encoding.UTF8.GetBytes(body ?? id)) { Id = id };

    public static async Task SendAsync(Backend backend, string queue, params Envelope[] envelopes) => await backend.Queues!.EnqueueAsync(queue, envelopes, default, Token);

    /// <summary>Sends messages and dead-letters them.</summary>
    public static async Task BuryAsync(Backend backend, string queue, string reason, string? error, params Envelope[] envelopes)
    {
        await SendAsync(backend, queue, envelopes);
        await using var receiver = await backend.Queues!.OpenReceiverAsync(queue, new ReceiverOptions(), Token);
        var deliveries = new Delivery[envelopes.Length];
        Assert.Equal(deliveries.Length, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Token));
        await backend.Queues!.SettleAsync(queue, Array.ConvertAll(deliveries, delivery => Settlement.DeadLetter(delivery.Token, reason, error)), default, Token);
    }

    public static async Task<IReadOnlyList<BrowsedMessage>> BrowseAsync(Backend backend, string queue, MessageState state = MessageState.Ready) =>
        (await backend.Require<IQueueAdmin>().BrowseAsync(queue, new BrowseQuery { State = state, Limit = 1000 }, Token)).Messages;

    public static async Task<string[]> IdsAsync(Backend backend, string queue, MessageState state = MessageState.Ready) =>
        [.. (await BrowseAsync(backend, queue, state)).Select(browsed => browsed.Message.Id.ToString())];

    /// <summary>The bodies of a partition, with their offsets.</summary>
    public static async Task<string[]> RecordsAsync(Backend backend, string stream, int partition = 0)
    {
        await using var catalog = StreamsOf(backend);
        var log = await catalog.Streams.OpenPartitionAsync(stream, partition, Token);
        var stats = await log.GetStatsAsync(Token);
        var records = new List<string>();
        for (var offset = stats.EarliestOffset; offset < stats.EndOffset;)
        {
            using var page = await log.ReadAsync(offset, 1000, 1024 * 1024, Token);
            foreach (var record in page.Records.Span)
            {
                records.Add($"{record.Offset} {Encoding.UTF8.GetString(record.Body.Span)}");
            }

            offset = page.NextOffset;
        }

        return [.. records];
    }

    /// <summary>Appends bodies to a stream that is made if need be.</summary>
    public static async Task AppendAsync(Backend backend, string stream, params string[] bodies)
    {
        await using var catalog = StreamsOf(backend);
        await catalog.Streams.CreateAsync(stream, new StreamSettings(), Token);
        var log = await catalog.Streams.OpenPartitionAsync(stream, 0, Token);
        await log.AppendAsync(new AppendRequest(Array.ConvertAll(bodies, body => new StreamRecord { Body = Encoding.UTF8.GetBytes(body) })), Token);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
