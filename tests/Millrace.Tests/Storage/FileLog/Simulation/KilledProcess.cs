using System.Diagnostics;
using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>
/// Another process at work on a folder, to be killed: this assembly again, running the one explicit test below. It reports a line for each thing that the store has acknowledged to it, so what
/// it reported before it dies is a promise of the store.
/// </summary>
public sealed class KilledProcess
{
    internal const string Stream = "s";
    internal const string Queue = "q";
    private const string UrlVariable = "MILLRACE_CHILD_URL";
    private const string Mark = "child: ";

    /// <summary>Starts one, which numbers its things from a number on.</summary>
    internal static Process Start(string url, int from) => Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Millrace.Tests"))
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
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(role[1], cancellationToken: cancellation);

        // Each on a thread of its own, because what is only written is done when the call returns.
        await Task.WhenAll([
            .. Enumerable.Range(0, 4).Select(sender => Task.Run(() => SendAsync(backend, from + (sender * 1_000_000), cancellation), cancellation)),
            Task.Run(() => TakeAsync(backend, cancellation), cancellation),
            Task.Run(() => AppendAsync(backend, from, cancellation), cancellation)]);
    }

    private static async Task SendAsync(Backend backend, int from, CancellationToken cancellation)
    {
        for (var number = from; ; number++)
        {
            // A transaction: either both are there or none.
            var body = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number}"));
            var transaction = new QueueTransaction()
                .Enqueue(Queue, new Envelope(body) { Id = new MessageId($"id-{number}") })
                .Enqueue("pair", new Envelope(body));
            await backend.Require<IQueueTransactions>().CommitAsync(transaction, cancellation);
            Report($"sent {number}");
            await Task.Yield();
        }
    }

    private static async Task TakeAsync(Backend backend, CancellationToken cancellation)
    {
        await using var receiver = await backend.Queues!.OpenReceiverAsync(Queue, new ReceiverOptions(), cancellation);
        var into = new Delivery[5];
        while (true)
        {
            var count = await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, cancellation);
            foreach (var delivery in into[..count])
            {
                Report($"taken {Encoding.UTF8.GetString(delivery.Message.Body.Span)} {delivery.Attempt}");
                await backend.Queues.SettleAsync(Queue, new[] { Settlement.Complete(delivery.Token) }, default, cancellation);
                Report($"done {Encoding.UTF8.GetString(delivery.Message.Body.Span)}");
            }
        }
    }

    private static async Task AppendAsync(Backend backend, int from, CancellationToken cancellation)
    {
        await using var partition = await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = Stream, Partition = 0, PartitionCount = 1 }, cancellation);
        for (var number = from; ; number++)
        {
            var record = new StreamRecord { Body = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number}")) };
            var result = await partition.AppendAsync(new AppendRequest(new[] { record }) { ProducerId = $"p{from}", FirstSequence = number - from }, cancellation);
            Report($"appended {number} {result.FirstOffset}");
            await Task.Yield();
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
