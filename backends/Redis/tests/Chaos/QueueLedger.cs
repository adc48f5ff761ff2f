using System.Collections.Concurrent;
using System.Globalization;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>
/// The oracle of one queue: what became of each message as its senders and receivers were told, so that what the servers have can be held against it. Safe for concurrent use.
/// </summary>
internal sealed class QueueLedger
{
    private readonly ConcurrentDictionary<long, Line> _lines = new();
    private readonly List<Waiter> _waiters = [];
    private readonly ConcurrentQueue<string> _violations = new();
    private long _last;
    private long _clock;
    private long _acknowledged;
    private long _settled;
    private long _lostLeases;

    public FaultLog Faults { get; } = new();

    /// <summary>How many enqueues were acknowledged.</summary>
    public long Acknowledged => Interlocked.Read(ref _acknowledged);

    /// <summary>How many settlements were acknowledged.</summary>
    public long Settled => Interlocked.Read(ref _settled);

    /// <summary>How many settlements reported a lost lease.</summary>
    public long LostLeases => Interlocked.Read(ref _lostLeases);

    /// <summary>Messages that were acknowledged and never delivered.</summary>
    public IReadOnlyList<long> Lost => Select(line => line.Fate == Fate.Acknowledged && line.Deliveries == 0);

    /// <summary>Messages that were delivered although every attempt to send them said that it was not applied.</summary>
    public IReadOnlyList<long> Phantoms => Select(line => line.Fate == Fate.Refused && line.Deliveries > 0);

    /// <summary>Messages that were delivered by a call that began after their settlement had been acknowledged.</summary>
    public IReadOnlyList<long> CameBack => Select(line => line.HasComeBack);

    /// <summary>Messages of which two settlements were acknowledged.</summary>
    public IReadOnlyList<long> SettledTwice => Select(line => line.Settlements > 1);

    /// <summary>Messages that were delivered more than once.</summary>
    public IReadOnlyList<long> DeliveredAgain => Select(line => line.Deliveries > 1);

    /// <summary>A moment in the order of all that happens.</summary>
    public long Moment() => Interlocked.Increment(ref _clock);

    /// <summary>The number of a new message.</summary>
    public long Begin()
    {
        var number = Interlocked.Increment(ref _last);
        _lines[number] = new Line();
        return number;
    }

    public void Acknowledge(long number)
    {
        Change(number, line => line.Fate = Fate.Acknowledged);
        Interlocked.Increment(ref _acknowledged);
        Wake();
    }

    /// <summary>An attempt to send a message has failed.</summary>
    public void Fail(long number, bool mayHaveBeenApplied) =>
        Change(number, line => line.Fate = mayHaveBeenApplied || line.Fate == Fate.Unknown ? Fate.Unknown : Fate.Refused);

    /// <summary>A call has failed.</summary>
    /// <returns>Whether it may have been applied.</returns>
    public bool Fail(string operation, Exception fault)
    {
        var mayHaveBeenApplied = Faults.Add(operation, fault);
        Wake();
        return mayHaveBeenApplied;
    }

    /// <summary>A message was delivered.</summary>
    /// <param name="number">The message.</param>
    /// <param name="begun">When the lease call began.</param>
    public void Deliver(long number, long begun) =>
        Change(number, line =>
        {
            line.Deliveries++;
            line.HasComeBack |= line.SettledAt > 0 && line.SettledAt < begun;
        });

    public void Settle(long number)
    {
        Change(number, line =>
        {
            line.SettledAt = Moment();
            line.Settlements++;
        });
        Interlocked.Increment(ref _settled);
        Wake();
    }

    public void LoseLease()
    {
        Interlocked.Increment(ref _lostLeases);
        Wake();
    }

    /// <summary>Ends when a condition holds that depends on the counts.</summary>
    public async Task WaitAsync(Func<bool> isMet, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(isMet);
        lock (_waiters)
        {
            _waiters.Add(waiter);
        }

        Wake();
        await waiter.Met.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Ends when so many more enqueues and settlements have been acknowledged.</summary>
    public Task WaitForMoreAsync(long acknowledged, CancellationToken cancellationToken)
    {
        var (enqueues, settlements) = (Acknowledged + acknowledged, Settled + acknowledged);
        return WaitAsync(() => Acknowledged >= enqueues && Settled >= settlements, cancellationToken);
    }

    /// <summary>Fails unless everything acknowledged holds.</summary>
    public void AssertNothingLost()
    {
        Faults.AssertNoneWrong();
        Assert.Empty(_violations);
        Assert.Empty(Lost);
        Assert.Empty(Phantoms);
        Assert.Empty(CameBack);
        Assert.Empty(SettledTwice);
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{_lines.Count} sent, {Acknowledged} acknowledged, {Select(line => line.Fate == Fate.Unknown).Count} of unknown fate, {Select(line => line.Fate == Fate.Refused).Count} refused; "
        + $"{Settled} settled, {DeliveredAgain.Count} delivered again, {LostLeases} leases lost; LOST {Lost.Count}, came back {CameBack.Count}, settled twice {SettledTwice.Count}; {Faults}");

    private List<long> Select(Func<Line, bool> predicate)
    {
        var numbers = new List<long>();
        foreach (var (number, line) in _lines)
        {
            lock (line)
            {
                if (predicate(line))
                {
                    numbers.Add(number);
                }
            }
        }

        numbers.Sort();
        return numbers;
    }

    private void Change(long number, Action<Line> change)
    {
        if (!_lines.TryGetValue(number, out var line))
        {
            _violations.Enqueue($"There is a message {number} that nobody has sent.");
            return;
        }

        lock (line)
        {
            change(line);
        }
    }

    private void Wake()
    {
        lock (_waiters)
        {
            foreach (var waiter in _waiters.FindAll(waiter => waiter.IsMet()))
            {
                _waiters.Remove(waiter);
                waiter.Met.TrySetResult();
            }
        }
    }

    private enum Fate
    {
        Open,
        Acknowledged,
        Unknown,
        Refused,
    }

    private sealed class Line
    {
        public Fate Fate { get; set; }

        public int Deliveries { get; set; }

        public int Settlements { get; set; }

        public long SettledAt { get; set; }

        public bool HasComeBack { get; set; }
    }

    private sealed record Waiter(Func<bool> IsMet)
    {
        public TaskCompletionSource Met { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
