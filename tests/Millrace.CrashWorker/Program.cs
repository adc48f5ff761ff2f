using System.Globalization;
using Millrace.Storage;

namespace Millrace.CrashWorker;

/// <summary>
/// A worker that is made to be killed: it says what it was given as soon as it has it ("lease ID ATTEMPT"), and what it settled only once the store has
/// acknowledged that ("done", "dead" or "back" ID ATTEMPT). What stands on its output when it dies is therefore a promise of the store.
/// </summary>
internal static class Program
{
    private const int BatchSize = 16;

    public static async Task<int> Main(string[] args)
    {
        if (args.Length != 3)
        {
            await Console.Error.WriteLineAsync("usage: Millrace.CrashWorker URL QUEUE LEASE_MS");
            return 2;
        }

        var queue = args[1];
        var lease = TimeSpan.FromMilliseconds(int.Parse(args[2], CultureInfo.InvariantCulture));
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(args[0]);
        var store = backend.Require<IQueueStore>();
        await using var receiver = await store.OpenReceiverAsync(queue, new ReceiverOptions { LeaseDuration = lease });
        await using var output = new StreamWriter(Console.OpenStandardOutput());
        var deliveries = new Delivery[BatchSize];
        while (true)
        {
            var count = await receiver.LeaseAsync(deliveries, Timeout.InfiniteTimeSpan);
            await SayAsync(output, deliveries, count, _ => "lease");
            var settlements = new Settlement[count];
            for (var i = 0; i < count; i++)
            {
                settlements[i] = Decide(deliveries[i]);
            }

            var results = new SettleResult[count];
            try
            {
                await store.SettleAsync(queue, settlements, results);
            }
            catch (BackendUnavailableException)
            {
                // A server was cut off: nothing is known, so nothing is said, and what was not settled comes again.
                continue;
            }

            await SayAsync(output, deliveries, count, i => results[i] == SettleResult.LeaseLost ? "lost" : settlements[i].Kind switch
            {
                SettlementKind.Complete => "done",
                SettlementKind.DeadLetter => "dead",
                _ => "back",
            });
        }
    }

    // By the last digit of the id, so that every kind of settlement is among what a kill interrupts.
    private static Settlement Decide(Delivery delivery) => (delivery.Message.Id.ToString()[^1], delivery.Attempt) switch
    {
        ('9', _) => Settlement.DeadLetter(delivery.Token, "on purpose", "the last digit is 9"),
        ('8', 1) => Settlement.Release(delivery.Token, TimeSpan.FromMilliseconds(50), error: "once more, later"),
        ('7', 1) => Settlement.Release(delivery.Token, error: "once more, at once"),
        _ => Settlement.Complete(delivery.Token),
    };

    private static async Task SayAsync(StreamWriter output, Delivery[] deliveries, int count, Func<int, string> verb)
    {
        for (var i = 0; i < count; i++)
        {
            await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{verb(i)} {deliveries[i].Message.Id} {deliveries[i].Attempt}"));
        }

        await output.FlushAsync();
    }
}
