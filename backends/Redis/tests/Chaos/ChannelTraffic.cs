using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>
/// Publishes to a topic and listens to it: what was acknowledged arrives, or a gap is told (law C1). Order is only counted here: when the slot of the history moves, the next message is
/// published at another node, and the nodes do not pass on in one order what they publish.
/// </summary>
internal sealed class ChannelTraffic(IChannelTransport transport, string topic)
{
    private const string LastWord = "end";

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(2);

    // How long to wait for what is late: what comes after a gap may be missing for good.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PatienceAfterAGap = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<string, bool> _acknowledged = new();
    private readonly List<string> _received = [];
    private int _gaps;

    public FaultLog Faults { get; } = new();

    public int Published => _acknowledged.Count;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Subscribes, then publishes until it is told to stop; ends when the last message has come.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        await using var subscription = await transport.SubscribeAsync(TopicPattern.Parse(topic), new SubscriptionOptions { Capacity = 100_000 }, Cancellation);
        var receiving = Task.Run(() => ReceiveAsync(subscription), Cancellation);
        for (var number = 0; !stop.IsCancellationRequested; number++)
        {
            await TryPublishAsync(number.ToString("d8", CultureInfo.InvariantCulture));
            await Task.Delay(Pace, TimeProvider.System, Cancellation);
        }

        while (!await TryPublishAsync(LastWord))
        {
            await Task.Delay(Pace, TimeProvider.System, Cancellation);
        }

        await receiving;
    }

    public void AssertNothingMissed()
    {
        Faults.AssertNoneWrong();
        Assert.Equal(_received.Count, _received.Distinct().Count());
        Assert.True(_gaps > 0 || !_acknowledged.Keys.Except(_received).Any(), $"{_acknowledged.Keys.Except(_received).Count()} of {_acknowledged.Count} messages did not come, and no gap was told.");
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"channel '{topic}': {Published} published, {_received.Count} received, {CountLate()} of them late, {_gaps} gaps; {Faults}");

    private int CountLate() => Enumerable.Range(1, Math.Max(0, _received.Count - 1)).Count(i => string.CompareOrdinal(_received[i], _received[i - 1]) < 0);

    private async Task<bool> TryPublishAsync(string text)
    {
        try
        {
            await transport.PublishAsync(topic, new Envelope(Encoding.UTF8.GetBytes(text)), Cancellation);
            _acknowledged[text] = true;
            return true;
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            Faults.Add("publish", fault);
            return false;
        }
    }

    private async Task ReceiveAsync(IChannelSubscription subscription)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var into = new ChannelMessage[100];
        try
        {
            while (true)
            {
                var count = await subscription.ReadAsync(into, patience.Token);
                foreach (var message in into.AsSpan(0, count))
                {
                    Take(message);
                }

                if (!_received.Contains(LastWord))
                {
                    continue;
                }

                if (!_acknowledged.Keys.Except(_received).Any())
                {
                    return;
                }

                patience.CancelAfter(_gaps > 0 ? PatienceAfterAGap : Patience);
            }
        }
        catch (OperationCanceledException) when (!Cancellation.IsCancellationRequested)
        {
            // What has not come by now is missing.
        }
    }

    private void Take(ChannelMessage message)
    {
        if (message.IsGap)
        {
            _gaps++;
        }
        else if (Encoding.UTF8.GetString(message.Body.Span) is var text && !(text == LastWord && _received.Contains(text)))
        {
            // The last word may have been published twice.
            _received.Add(text);
        }
    }
}
