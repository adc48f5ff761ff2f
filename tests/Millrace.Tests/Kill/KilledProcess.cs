using System.Diagnostics;
using System.Globalization;
using System.Text;
using Millrace.Client;
using Millrace.Storage;
using Millrace.Streams;
using Xunit;

namespace Millrace.Tests.Kill;

/// <summary>
/// Another process at work on a store, to be killed: this assembly again, running the one explicit test below. It reports a line for each thing that the store has acknowledged to it, so what
/// it reported before it dies is a promise of the store.
/// </summary>
public sealed class KilledProcess
{
    internal const string Stream = "s";
    internal const string Queue = "q";

    /// <summary>The stream that a group reads.</summary>
    internal const string Grouped = "grouped";
    internal const string Group = "g";
    internal const int GroupedPartitions = 2;

    /// <summary>How much each of those that send does: so that a round is no longer on a slow machine, where the group comes late.</summary>
    internal const int Each = 400;

    // Short, because the member of the next process has to miss that of the last one first.
    private static readonly TimeSpan Session = TimeSpan.FromMilliseconds(300);

    private const string UrlVariable = "MILLRACE_CHILD_URL";
    private const string Mark = "child: ";

    /// <summary>Starts one, which numbers its things from a number on.</summary>
    internal static Process Start(string url, int from) => Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, typeof(KilledProcess).Assembly.GetName().Name!))
    {
        RedirectStandardOutput = true,
        ArgumentList = { "-explicit", "only", "-method", $"{typeof(KilledProcess).FullName}.{nameof(Work)}", "-noLogo" },
        Environment = { [UrlVariable] = string.Create(CultureInfo.InvariantCulture, $"{from} {url}") },
    })!;

    /// <summary>What a line of its output reports; null when it is a line of the runner.</summary>
    internal static string[]? Read(string line) =>
        line.IndexOf(Mark, StringComparison.Ordinal) is >= 0 and var mark ? line[(mark + Mark.Length)..].Split(' ') : null;

    [Fact(Explicit = true)]
    public async Task Work()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var role = Environment.GetEnvironmentVariable(UrlVariable)?.Split(' ', 2);
        Assert.SkipWhen(role is null, "runs in the processes that other tests start");
        var from = int.Parse(role![0], CultureInfo.InvariantCulture);
        await using var client = await MillraceClient.OpenAsync(role[1], cancellationToken: cancellation);

        // Each on a thread of its own, because what is only written is done when the call returns.
        await Task.WhenAll([
            .. Enumerable.Range(0, 4).Select(sender => Task.Run(() => SendAsync(client, from + (sender * 1_000_000), cancellation), cancellation)),
            Task.Run(() => TakeAsync(client, cancellation), cancellation),
            Task.Run(() => AppendAsync(client, from, cancellation), cancellation),
            Task.Run(() => AppendGroupedAsync(client, from, cancellation), cancellation),
            Task.Run(() => HandleAsync(client, cancellation), cancellation)]);
    }

    private static async Task SendAsync(MillraceClient client, int from, CancellationToken cancellation)
    {
        for (var number = from; number < from + Each; number++)
        {
            // A transaction: either both are there or none.
            var body = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number}"));
            var transaction = new QueueTransaction()
                .Enqueue(Queue, new Envelope(body) { Id = new MessageId($"id-{number}") })
                .Enqueue("pair", new Envelope(body));
            await client.Require<IQueueTransactions>().CommitAsync(transaction, cancellation);
            Report($"sent {number}");
            await Task.Yield();
        }
    }

    private static async Task TakeAsync(MillraceClient client, CancellationToken cancellation)
    {
        var queues = client.Require<IQueueStore>();
        await using var receiver = await queues.OpenReceiverAsync(Queue, new ReceiverOptions(), cancellation);
        var into = new Delivery[5];
        while (true)
        {
            var count = await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, cancellation);
            foreach (var delivery in into[..count])
            {
                Report($"taken {Encoding.UTF8.GetString(delivery.Message.Body.Span)} {delivery.Attempt}");
                await queues.SettleAsync(Queue, new[] { Settlement.Complete(delivery.Token) }, default, cancellation);
                Report($"done {Encoding.UTF8.GetString(delivery.Message.Body.Span)}");
            }
        }
    }

    private static async Task AppendAsync(MillraceClient client, int from, CancellationToken cancellation)
    {
        await using var partition = await client.Require<IStreamStore>().OpenPartitionAsync(new StreamPartitionContext { Stream = Stream, Partition = 0, PartitionCount = 1 }, cancellation);
        for (var number = from; number < from + Each; number++)
        {
            var record = new StreamRecord { Body = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number}")) };
            var result = await partition.AppendAsync(new AppendRequest(new[] { record }) { ProducerId = $"p{from}", FirstSequence = number - from }, cancellation);
            Report($"appended {number} {result.FirstOffset}");
            await Task.Yield();
        }
    }

    private static async Task AppendGroupedAsync(MillraceClient client, int from, CancellationToken cancellation)
    {
        await using var producer = client.StreamProducer<string>(Grouped, new() { Settings = new StreamSettings { Partitions = GroupedPartitions } });
        for (var number = from; number < from + Each; number++)
        {
            var result = await producer.AppendAsync(string.Create(CultureInfo.InvariantCulture, $"{number}"), cancellationToken: cancellation);
            Report($"grouped {number} {result.Partition} {result.Offset}");
        }
    }

    /// <summary>The only living member of a group: says what it handles before it commits that, and what it has committed.</summary>
    private static async Task HandleAsync(MillraceClient client, CancellationToken cancellation)
    {
        await using var consumer = client.StreamConsumer<string>(
            Grouped, new() { Group = Group, Settings = new StreamSettings { Partitions = GroupedPartitions }, AutoCommit = false, SessionTimeout = Session });
        while (true)
        {
            foreach (var message in await consumer.ReadAsync(20, Timeout.InfiniteTimeSpan, cancellation))
            {
                Report($"handled {message.Partition} {message.Offset} {message.Epoch}");
                var result = await consumer.CommitAsync(message, cancellation);
                Report($"{(result.IsComplete ? "committed" : "refused")} {message.Partition} {message.Offset} {message.Epoch}");
            }
        }
    }

    private static void Report(string what)
    {
        lock (Mark)
        {
            Console.Out.WriteLine(Mark + what);
            Console.Out.Flush();
        }
    }
}
