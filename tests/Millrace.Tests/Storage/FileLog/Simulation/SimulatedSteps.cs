using System.Globalization;
using System.Text;
using Millrace.Storage;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>What a step of a simulated history does, in words and in deed. A deed is done to several stores, so it decides nothing by itself.</summary>
internal sealed record SimulatedStep(string Text, Func<SimulatedSide, Task<string>> RunAsync)
{
    /// <summary>How far the time is moved before it.</summary>
    public TimeSpan Advances { get; init; }

    /// <summary>Whether it is done once more when a crash has left open if it was done: what can be seen may be the same either way, until messages are leased.</summary>
    public bool IsRepeated { get; init; }
}

/// <summary>Draws the steps of a history.</summary>
internal sealed class SimulatedSteps(Random random, bool exact)
{
    private static readonly string[] Queues = ["a", "b", "c"];
    private static readonly (int Number, string Queue, int LeaseSeconds, bool Settles)[] Receivers =
        [(0, "a", 3, false), (1, "a", 60, false), (2, "b", 60, false), (3, "c", 9, false), (4, "c", 9, true), (5, "a!dead", 60, false)];

    private readonly List<(string Queue, string Text)> _sent = [];
    private readonly long[] _sequences = new long[2];

    // When a window that is made shorter forgets, is left open: so each queue keeps the one that it has.
    private readonly Dictionary<string, TimeSpan> _windows = [];
    private int _messages;

    public static IEnumerable<string> AllQueues => [.. Queues, "t"];

    /// <summary>What every history begins with.</summary>
    public IEnumerable<SimulatedStep> First()
    {
        foreach (var queue in Queues)
        {
            _windows[queue] = random.Next(3) == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(20);
            var settings = DrawSettings(queue);
            yield return new SimulatedStep($"create {queue} {settings}", async side => (await side.Admin.CreateQueueAsync(queue, settings)).ToString());
        }

        foreach (var step in OpenReceivers())
        {
            yield return step;
        }
    }

    /// <summary>What follows each opening.</summary>
    public static IEnumerable<SimulatedStep> OpenReceivers() => Receivers.Select(receiver => Open(receiver.Number));

    public SimulatedStep Next(int deliveries) => random.Next(100) switch
    {
        < 26 => Enqueue(),
        < 46 => Lease(),
        < 62 => Settle(deliveries),
        < 70 => Advance(),
        < 72 => Renew(),
        < 74 => Open(random.Next(Receivers.Length)),
        < 79 => Commit(deliveries),
        < 81 => Publish(),
        < 84 => ChangeMessage(),
        < 88 => ChangeQueue(),
        < 93 => ChangeDocument(),
        _ => ChangeStream(),
    };

    private static SimulatedStep Open(int number)
    {
        var (_, queue, lease, settles) = Receivers[number];
        return new SimulatedStep($"open receiver {number} of {queue}", async side =>
        {
            await side.OpenReceiverAsync(number, queue, TimeSpan.FromSeconds(lease), settles);
            return "";
        });
    }

    private SimulatedStep Enqueue()
    {
        var queue = Draw(Queues);
        var batch = new Envelope[random.Next(1, 4)];
        for (var i = 0; i < batch.Length; i++)
        {
            batch[i] = DrawEnvelope(queue);
        }

        return new SimulatedStep($"enqueue to {queue}: {string.Join(", ", batch.Select(Describe))}", side => side.EnqueueAsync(queue, batch));
    }

    private SimulatedStep Lease()
    {
        // Which of several dead letters came first that one crash made, is left open.
        var receiver = random.Next(exact ? Receivers.Length - 1 : Receivers.Length);
        var count = random.Next(1, 5);
        return new SimulatedStep($"lease {count} by {receiver}", side => side.LeaseAsync(receiver, count));
    }

    private SimulatedStep Settle(int deliveries)
    {
        var which = new List<(int, Func<LeaseToken, Settlement>)>();
        for (var i = random.Next(1, 4); i > 0 && deliveries > 0; i--)
        {
            var delivery = Math.Max(0, deliveries - 1 - random.Next(random.Next(8) == 0 ? 40 : 6));
            var error = random.Next(2) == 0 ? $"e{random.Next(100)}" : null;
            var delay = TimeSpan.FromSeconds(random.Next(1, 8));
            var counts = random.Next(3) != 0;
            which.Add((delivery, random.Next(10) switch
            {
                < 5 => Settlement.Complete,
                < 7 => token => Settlement.Release(token, default, counts, error),
                7 => token => Settlement.Release(token, delay, counts, error),
                _ => token => Settlement.DeadLetter(token, "reason", error),
            }));
        }

        return new SimulatedStep($"settle {string.Join(", ", which.Select(one => one.Item1 + " " + one.Item2(default).Kind))}", side => side.SettleAsync([.. which]));
    }

    private SimulatedStep Advance()
    {
        var by = TimeSpan.FromSeconds(random.Next(1, 6));
        return new SimulatedStep($"advance {by}", _ => Task.FromResult("")) { Advances = by };
    }

    private SimulatedStep Renew()
    {
        var receiver = random.Next(Receivers.Length);
        return new SimulatedStep($"renew {receiver}", side => side.RenewAsync(receiver));
    }

    private SimulatedStep Commit(int deliveries)
    {
        var (first, second) = (Draw(Queues), Draw(Queues));
        var (one, other) = (DrawEnvelope(first), DrawEnvelope(second));
        var topic = random.Next(4) == 0 ? "t.1" : null;
        var delivery = random.Next(3) == 0 ? Math.Max(0, deliveries - random.Next(5)) : int.MaxValue;
        return new SimulatedStep(
            $"commit {first}: {Describe(one)}; {second}: {Describe(other)}; publish {topic}; settle {delivery}", side => side.CommitAsync(first, one, second, other, topic, delivery));
    }

    private SimulatedStep Publish()
    {
        var envelope = DrawEnvelope("");
        var topic = $"t.{random.Next(3)}";
        return new SimulatedStep($"publish {topic}: {Describe(envelope)}", async side =>
            (await side.Backend.Require<IQueueRouting>().PublishAsync(topic, new[] { envelope })).ToString(CultureInfo.InvariantCulture));
    }

    private SimulatedStep ChangeMessage()
    {
        var (queue, text) = _sent.Count == 0 ? ("a", "") : _sent[Math.Max(0, _sent.Count - 1 - random.Next(20))];
        if (random.Next(2) == 0)
        {
            return new SimulatedStep($"remove {Short(text)} from {queue}", side => side.RemoveAsync(queue, text));
        }

        var delay = TimeSpan.FromSeconds(random.Next(2) * random.Next(8));
        return new SimulatedStep($"reschedule {Short(text)} of {queue} by {delay}", side => side.RescheduleAsync(queue, text, delay)) { IsRepeated = true };
    }

    private SimulatedStep ChangeQueue()
    {
        var queue = Draw(Queues);
        var pattern = TopicPattern.Parse(random.Next(2) == 0 ? "t.*" : $"t.{random.Next(3)}");
        switch (random.Next(9))
        {
            case 0:
                return new SimulatedStep($"purge {queue}", async side => (await side.Admin.PurgeAsync(queue)).ToString(CultureInfo.InvariantCulture));
            case 1:
                return new SimulatedStep($"purge the dead of {queue}", async side => (await side.Admin.PurgeAsync($"{queue}!dead")).ToString(CultureInfo.InvariantCulture));
            case 2 when !exact && queue != "b":
                return new SimulatedStep($"redrive {queue}", async side => (await side.Admin.RedriveAsync(queue, DeadLetterFilter.All)).ToString(CultureInfo.InvariantCulture));
            case 3:
                var settings = DrawSettings(queue);
                return new SimulatedStep($"settings of {queue}: {settings}", async side =>
                {
                    await side.Admin.UpdateSettingsAsync(queue, settings);
                    return "";
                });
            case 4:
                return new SimulatedStep($"unbind {queue} {pattern.Text}", async side => (await side.Backend.Require<IQueueRouting>().UnbindAsync(queue, pattern)).ToString());
            case 5:
                return new SimulatedStep("create t", async side => (await side.Admin.CreateQueueAsync("t", QueueSettings.Default)).ToString());
            case 6:
                return new SimulatedStep("delete t", async side => (await side.Admin.DeleteQueueAsync("t")).ToString());
            default:
                return new SimulatedStep($"bind {queue} {pattern.Text}", async side =>
                {
                    await side.Backend.Require<IQueueRouting>().BindAsync(queue, pattern);
                    return "";
                });
        }
    }

    private SimulatedStep ChangeDocument()
    {
        var key = $"doc{random.Next(4)}";
        var value = random.Next(4) == 0 ? null : $"v{++_messages}{new string('.', random.Next(10) == 0 ? 3000 : 10)}";
        var isRight = random.Next(5) != 0;
        return new SimulatedStep($"put {key} {Short(value ?? "")} {isRight}", side => side.PutAsync(key, value, isRight));
    }

    private SimulatedStep ChangeStream()
    {
        var partition = random.Next(2);
        if (random.Next(5) == 0)
        {
            var fraction = random.Next(11);
            return new SimulatedStep($"trim {partition} {fraction}", side => side.TrimAsync(partition, fraction));
        }

        var texts = Enumerable.Range(0, random.Next(1, 5)).Select(_ => DrawText()).ToArray();
        var producer = random.Next(2) == 0 ? "p" : null;
        var sequence = producer is null ? 0 : _sequences[partition];
        _sequences[partition] += producer is null ? 0 : texts.Length;
        return new SimulatedStep($"append to {partition}: {string.Join(' ', texts.Select(Short))} {producer} {sequence}", side => side.AppendAsync(partition, texts, producer, sequence));
    }

    private Envelope DrawEnvelope(string queue)
    {
        var text = DrawText();
        var expires = !exact && random.Next(6) == 0;
        if (queue.Length > 0)
        {
            _sent.Add((queue, text));
        }

        // When the window of an id begins that expires unseen, or loses its last lease in a crash, is left open: so such ids are not sent twice.
        return new Envelope(Encoding.UTF8.GetBytes(text))
        {
            Id = random.Next(3) switch
            {
                0 => default,
                1 when !expires && !exact => new MessageId($"repeated{random.Next(6)}"),
                _ => new MessageId($"id-{_messages}"),
            },
            Priority = random.Next(2) == 0 ? MessagePriority.Default : random.Next(10),
            Key = random.Next(3) == 0 ? $"k{random.Next(3)}" : null,
            Delay = random.Next(4) == 0 ? TimeSpan.FromSeconds(random.Next(1, 8)) : TimeSpan.Zero,
            TimeToLive = expires ? TimeSpan.FromSeconds(random.Next(1, 15)) : null,
            ContentType = random.Next(5) == 0 ? "text/plain" : null,
            Headers = random.Next(5) == 0 ? MessageHeaders.Of(("h", $"ü{random.Next(100)}")) : null,
        };
    }

    private QueueSettings DrawSettings(string queue) => new()
    {
        MaxDeliveries = exact ? 3 : 1000,
        MaxLength = random.Next(4) == 0 ? 12 : 1_000_000,
        Overflow = random.Next(2) == 0 ? QueueOverflow.DropOldest : QueueOverflow.Refuse,

        // In which order messages die that expired around a crash is left open, so nobody takes those of this queue back.
        DeadLetterExpired = queue == "b" && random.Next(2) == 0,
        DedupWindow = _windows[queue],
        DedupMaxEntries = random.Next(4) == 0 ? 3 : 1000,
    };

    private string DrawText()
    {
        var padding = random.Next(10) switch
        {
            0 => 6000,
            < 4 => 300,
            _ => 20,
        };
        return $"m{++_messages} {new string('.', random.Next(padding))}";
    }

    private string Draw(string[] from) => from[random.Next(from.Length)];

    private static string Describe(Envelope envelope) =>
        $"{Short(Encoding.UTF8.GetString(envelope.Body.Span))} (p{envelope.Priority} {envelope.Key} {envelope.Id} +{envelope.Delay.TotalSeconds} ttl {envelope.TimeToLive?.TotalSeconds})";

    private static string Short(string text) => text.Length <= 12 ? text : $"{text.Split(' ')[0]}[{text.Length}]";
}
