using Xunit;

namespace Millrace.Foreign.Tests.Kill;

/// <summary>
/// What a broker that is killed again and again has promised, and what it gave out; the oracle over it. A life of the broker has a number. Safe for concurrent use.
/// </summary>
internal sealed class PromiseJournal
{
    private readonly Lock _gate = new();
    private readonly HashSet<string> _confirmed = [];
    private readonly Dictionary<string, List<(int Life, bool IsRedelivered)>> _deliveries = [];
    private readonly Dictionary<string, int> _settled = [];
    private readonly List<(string One, string Other)> _pairs = [];
    private readonly List<string> _breaches = [];
    private readonly List<(long At, TaskCompletionSource Reached)> _waiters = [];
    private long _events;

    public int ConfirmedCount => Locked(() => _confirmed.Count);

    public int SettledCount => Locked(() => _settled.Count);

    public int DeliveryCount => Locked(() => _deliveries.Values.Sum(deliveries => deliveries.Count));

    public int PairCount => Locked(() => _pairs.Count);

    /// <summary>A SEND's receipt has come.</summary>
    public void Confirmed(string id) => Advance(() => _confirmed.Add(id));

    /// <summary>Two messages are sent in one transaction, whatever becomes of it.</summary>
    public void Paired(string one, string other) => Advance(() => _pairs.Add((one, other)));

    /// <summary>A message has come.</summary>
    public void Delivered(string id, int life, bool isRedelivered) => Advance(() =>
    {
        if (!_deliveries.TryGetValue(id, out var deliveries))
        {
            _deliveries[id] = deliveries = [];
        }

        // Nobody lets go of a message while the broker lives, so it is given out once in a life.
        if (deliveries.Any(delivery => delivery.Life == life))
        {
            _breaches.Add($"{id} was given out twice in life {life}");
        }

        deliveries.Add((life, isRedelivered));
    });

    /// <summary>The receipt of an ACK has come.</summary>
    public void Settled(string id, int life) => Advance(() =>
    {
        if (!_settled.TryAdd(id, life))
        {
            _breaches.Add($"{id} was acknowledged in life {_settled[id]} and in life {life}");
        }
    });

    /// <summary>Ends when so many more things have happened.</summary>
    public Task AfterEventsAsync(int count)
    {
        lock (_gate)
        {
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiters.Add((_events + count, reached));
            return reached.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Looks at everything, when nothing is left in the broker.</summary>
    public void Check()
    {
        lock (_gate)
        {
            Assert.Empty(_breaches);
            var lost = _confirmed.Where(id => !_deliveries.ContainsKey(id)).ToList();
            Assert.True(lost.Count == 0, $"{lost.Count} messages whose receipt had come were never delivered: {string.Join(", ", lost.Take(20))}");
            Assert.Empty(
                from settled in _settled
                from delivery in _deliveries[settled.Key]
                where delivery.Life > settled.Value
                select $"{settled.Key}, acknowledged in life {settled.Value}, was given out again in life {delivery.Life}");
            Assert.All(_pairs, pair => Assert.Equal(_deliveries.ContainsKey(pair.One), _deliveries.ContainsKey(pair.Other)));
            Assert.Empty(
                from message in _deliveries
                where message.Value.Skip(1).Any(delivery => !delivery.IsRedelivered)
                select $"{message.Key} came again, and not as redelivered");
        }
    }

    private T Locked<T>(Func<T> read)
    {
        lock (_gate)
        {
            return read();
        }
    }

    private void Advance(Action note)
    {
        lock (_gate)
        {
            note();
            _events++;
            _waiters.RemoveAll(waiter => waiter.At <= _events && waiter.Reached.TrySetResult());
        }
    }
}
