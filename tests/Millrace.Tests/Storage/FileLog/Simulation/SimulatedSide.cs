using System.Globalization;
using System.Text;
using Millrace.Storage;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>
/// One of the two stores that a simulated history works on, with what it was given. Both are told the same, and answer in words, so that the answers can be compared. Deliveries
/// are known by the number in which they came, receivers by a number.
/// </summary>
internal sealed class SimulatedSide(Backend backend, bool showsAttempts) : IAsyncDisposable
{
    public const string Stream = "s";

    private readonly Dictionary<int, (string Queue, IQueueReceiver Receiver)> _receivers = [];
    private readonly List<(string Queue, LeaseToken Token)> _deliveries = [];
    private readonly Dictionary<string, MessageId> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<int, IStreamPartition> _partitions = [];

    public Backend Backend => backend;

    public IQueueStore Queues => backend.Queues!;

    public IQueueAdmin Admin => backend.Require<IQueueAdmin>();

    public int DeliveryCount => _deliveries.Count;

    /// <summary>Opens a receiver under a number, in place of the one that has it.</summary>
    public async Task OpenReceiverAsync(int number, string queue, TimeSpan lease, bool settlesOnLease)
    {
        if (_receivers.Remove(number, out var old))
        {
            await old.Receiver.DisposeAsync();
        }

        _receivers.Add(number, (queue, await Queues.OpenReceiverAsync(queue, new ReceiverOptions { LeaseDuration = lease, SettleOnLease = settlesOnLease })));
    }

    /// <summary>Knows what was given to the side before it, whose store is gone: tokens that lease nothing any more, and ids.</summary>
    public SimulatedSide After(SimulatedSide? before)
    {
        if (before is not null)
        {
            _deliveries.AddRange(before._deliveries);
            foreach (var (text, id) in before._ids)
            {
                _ids.Add(text, id);
            }
        }

        return this;
    }

    /// <summary>Fills up what only the other side was given, because a crash swallowed the answer.</summary>
    /// <returns>The messages whose ids only the other side knows: they are of no use to either.</returns>
    public string[] Level(SimulatedSide other)
    {
        while (_deliveries.Count < other._deliveries.Count)
        {
            _deliveries.Add((other._deliveries[_deliveries.Count].Queue, default));
        }

        return [.. other._ids.Keys.Except(_ids.Keys)];
    }

    public void Forget(string[] texts) => Array.ForEach(texts, text => _ids.Remove(text));

    public async Task<string> EnqueueAsync(string queue, Envelope[] batch)
    {
        var results = new EnqueueResult[batch.Length];
        await Queues.EnqueueAsync(queue, batch, results);
        for (var i = 0; i < batch.Length; i++)
        {
            if (results[i].Outcome == EnqueueOutcome.Stored)
            {
                _ids[TextOf(batch[i].Body)] = results[i].Id;
            }
        }

        return string.Join(' ', results.Select(result => result.Outcome));
    }

    public async Task<string> LeaseAsync(int receiver, int count)
    {
        var (queue, source) = _receivers[receiver];
        var into = new Delivery[count];
        var leased = await source.LeaseAsync(into, TimeSpan.Zero);
        _deliveries.AddRange(into[..leased].Select(delivery => (queue, delivery.Token)));
        return string.Join(", ", into[..leased].Select(delivery => $"{Describe(delivery.Message)}{(showsAttempts ? $" #{delivery.Attempt} {delivery.Redelivered}" : "")}"));
    }

    public async Task<string> RenewAsync(int receiver) => (await _receivers[receiver].Receiver.RenewAsync()).Count.ToString(CultureInfo.InvariantCulture);

    /// <summary>Settles deliveries of one queue: those of other queues are passed over.</summary>
    public async Task<string> SettleAsync((int Delivery, Func<LeaseToken, Settlement> Settle)[] which)
    {
        var known = which.Where(one => one.Delivery < _deliveries.Count).ToArray();
        if (known.Length == 0)
        {
            return "nothing";
        }

        var queue = _deliveries[known[0].Delivery].Queue;
        var batch = known.Where(one => _deliveries[one.Delivery].Queue == queue).Select(one => one.Settle(_deliveries[one.Delivery].Token)).ToArray();
        var results = new SettleResult[batch.Length];
        await Queues.SettleAsync(queue, batch, results);
        return string.Join(' ', results);
    }

    /// <summary>A message in each queue, and the settlement of a delivery, all or nothing.</summary>
    public async Task<string> CommitAsync(string first, Envelope one, string second, Envelope other, string? topic, int delivery)
    {
        var transaction = new QueueTransaction().Enqueue(first, one).Enqueue(second, other);
        if (topic is not null)
        {
            transaction.Publish(topic, one with { Id = default });
        }

        if (delivery < _deliveries.Count)
        {
            transaction.Settle(_deliveries[delivery].Queue, Settlement.Complete(_deliveries[delivery].Token));
        }

        var result = await backend.Require<IQueueTransactions>().CommitAsync(transaction);
        return $"{result.Committed} {result.LostLeases.Count}";
    }

    public async Task<string> RemoveAsync(string queue, string text) =>
        (await Admin.RemoveMessageAsync(queue, _ids.GetValueOrDefault(text, new MessageId("nobody")))).ToString();

    public async Task<string> RescheduleAsync(string queue, string text, TimeSpan delay) =>
        (await Admin.RescheduleMessageAsync(queue, _ids.GetValueOrDefault(text, new MessageId("nobody")), delay)).ToString();

    /// <summary>Writes a document if it has the value that it had last, or deletes it.</summary>
    public async Task<string> PutAsync(string key, string? value, bool expectsRight)
    {
        var now = await backend.State!.GetAsync(key);
        var expected = (now?.Version ?? IStateStore.Absent) + (expectsRight ? 0 : 7);
        var result = value is null
            ? await backend.State.DeleteAsync(key, expected)
            : await backend.State.PutAsync(key, Encoding.UTF8.GetBytes(value), expected);
        return result.Written.ToString();
    }

    public async Task<string> AppendAsync(int partition, string[] texts, string? producer, long sequence)
    {
        var records = Array.ConvertAll(texts, text => new StreamRecord { Body = Encoding.UTF8.GetBytes(text), Key = Encoding.UTF8.GetBytes(text[..1]), Timestamp = DateTimeOffset.UnixEpoch.AddDays(1) });
        var result = await (await PartitionAsync(partition)).AppendAsync(new AppendRequest(records) { ProducerId = producer, FirstSequence = sequence });
        return result.ToString();
    }

    public async Task<string> TrimAsync(int partition, int fraction)
    {
        var opened = await PartitionAsync(partition);
        var stats = await opened.GetStatsAsync();
        var before = stats.EarliestOffset + ((stats.EndOffset - stats.EarliestOffset) * fraction / 10);
        await opened.TrimAsync(before);
        return before.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>What a start does to leases, on a store that lives on: they end, with their attempt counted.</summary>
    public async Task EndLeasesAsync()
    {
        foreach (var (queue, token) in _deliveries)
        {
            await Queues.SettleAsync(queue, new[] { Settlement.Release(token) }, default);
        }

        foreach (var (_, receiver) in _receivers.Values)
        {
            await receiver.DisposeAsync();
        }

        _receivers.Clear();
    }

    /// <summary>Everything that there is, in words.</summary>
    public async Task<string> DumpAsync(IEnumerable<string> queues)
    {
        var dump = new StringBuilder();
        foreach (var queue in queues)
        {
            await DumpQueueAsync(dump, queue);
        }

        foreach (var document in (await backend.State!.ListAsync(limit: 1000)).Documents)
        {
            dump.AppendLine(CultureInfo.InvariantCulture, $"{document.Key} = {TextOf(document.Value)}");
        }

        for (var partition = 0; partition < 2; partition++)
        {
            await DumpPartitionAsync(dump, partition);
        }

        return dump.ToString();
    }

    public ValueTask DisposeAsync() => backend.DisposeAsync();

    private async Task DumpQueueAsync(StringBuilder dump, string queue)
    {
        QueueStats stats;
        try
        {
            stats = await Admin.GetStatsAsync(queue);
        }
        catch (QueueNotFoundException)
        {
            return;
        }

        var bindings = await backend.Require<IQueueRouting>().ListBindingsAsync(queue);
        dump.AppendLine(CultureInfo.InvariantCulture, $"queue {queue}: {stats.Ready} {stats.Scheduled} {stats.Leased} {stats.Dead} {stats.Bytes}");
        dump.AppendLine(CultureInfo.InvariantCulture, $"  {await Admin.GetSettingsAsync(queue)} {string.Join(' ', bindings.Select(one => one.Pattern.Text).Order(StringComparer.Ordinal))}");
        await DumpMessagesAsync(dump, queue, MessageState.Ready);
        await DumpMessagesAsync(dump, queue, MessageState.Scheduled);
        await DumpMessagesAsync(dump, ResourceName.DeadLetterQueueOf(queue), MessageState.Ready);
        await DumpMessagesAsync(dump, ResourceName.DeadLetterQueueOf(queue), MessageState.Scheduled);
    }

    private async Task DumpMessagesAsync(StringBuilder dump, string queue, MessageState state)
    {
        var lines = new List<string>();
        var query = new BrowseQuery { State = state, Limit = 7 };
        while (true)
        {
            var page = await Admin.BrowseAsync(queue, query);
            foreach (var one in page.Messages)
            {
                var dead = one.Message.DeadLetter;
                var attempts = showsAttempts ? $"#{one.Attempts} {dead?.Attempts}" : "";
                lines.Add($"  {queue} {state}: {Describe(one.Message)} {attempts} due {one.DueAt:HH:mm:ss.fff} error {one.LastError} dead {dead?.Reason} {dead?.LastError}");
            }

            if (page.Next is null)
            {
                break;
            }

            query = query with { Continuation = page.Next };
        }

        if (ResourceName.SourceOf(queue) != queue)
        {
            // The order in which leases ended that a crash has ended is nobody's concern.
            lines.Sort(StringComparer.Ordinal);
        }

        lines.ForEach(line => dump.AppendLine(line));
    }

    private async Task DumpPartitionAsync(StringBuilder dump, int number)
    {
        var partition = await PartitionAsync(number);
        var stats = await partition.GetStatsAsync();
        dump.AppendLine(CultureInfo.InvariantCulture, $"partition {number}: {stats.EarliestOffset} to {stats.EndOffset}");
        for (var offset = stats.EarliestOffset; offset < stats.EndOffset;)
        {
            using var page = await partition.ReadAsync(offset, 10, 1024);
            foreach (var record in page.Records.ToArray())
            {
                dump.AppendLine(CultureInfo.InvariantCulture, $"  {record.Offset} {TextOf(record.Key)} {TextOf(record.Body)} {record.Timestamp:O}");
            }

            offset = page.NextOffset;
        }
    }

    private async Task<IStreamPartition> PartitionAsync(int number)
    {
        if (!_partitions.TryGetValue(number, out var partition))
        {
            partition = await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = Stream, Partition = number, PartitionCount = 2 });
            _partitions.Add(number, partition);
        }

        return partition;
    }

    private static string Describe(Message message) =>
        $"{TextOf(message.Body)} p{message.Priority} {message.Key} {message.ContentType} {string.Join(' ', message.Headers.Select(header => $"{header.Key}={header.Value}"))}";

    private static string TextOf(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);
}
