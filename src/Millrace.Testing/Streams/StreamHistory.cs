using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

/// <summary>One random history of a partition: each step does the same to the store and to the model, and compares what they answer.</summary>
internal sealed class StreamHistory(
    Func<StreamHistory.Restart, Task<IStreamPartition>> open, IConformanceClock clock, StreamModel model, Random random, bool restarts, CancellationToken cancellation)
{
    private const int ShownSteps = 60;

    private static readonly string[] Producers = ["p", "q", "ü"];
    private readonly List<string> _log = [];
    private readonly Dictionary<string, List<(long First, StreamRecord[] Records)>> _sent = new(StringComparer.Ordinal);
    private readonly List<IStreamPartition> _openings = [];
    private long _earliest;

    /// <summary>What happens to the store before a partition is opened.</summary>
    internal enum Restart
    {
        None,
        Reopen,
        Crash,
    }

    /// <summary>The latest steps, for a failure's message.</summary>
    public string Log => string.Join('\n', _log.TakeLast(ShownSteps));

    private IStreamPartition Any => _openings[random.Next(_openings.Count)];

    public async Task OpenAsync()
    {
        _openings.Add(await open(Restart.None));
        _openings.Add(await open(Restart.None));
    }

    public Task StepAsync() => random.Next(100) switch
    {
        < 35 => AppendAsync(null),
        < 50 => AppendAsync(Producers[random.Next(Producers.Length)]),
        < 56 => RepeatAsync(),
        < 75 => ReadAsync(),
        < 82 => FindAsync(),
        < 86 => TrimAsync(),
        < 91 => WaitAsync(),
        < 94 => ReplaceAsync(),
        < 96 => AdvanceAsync(),
        < 98 => FlushAsync(),
        _ => restarts ? RestartAsync(random.Next(2) == 0 ? Restart.Reopen : Restart.Crash) : ReadAsync(),
    };

    /// <summary>Reads everything from the start.</summary>
    public async Task FinishAsync()
    {
        await LookAsync();
        for (var offset = _earliest; offset < model.End;)
        {
            offset = await ReadAsync(offset, 100, 1 << 20);
        }
    }

    private async Task AppendAsync(string? producer)
    {
        var records = new StreamRecord[random.Next(8) == 0 ? random.Next(0, 200) : random.Next(1, 5)];
        for (var i = 0; i < records.Length; i++)
        {
            records[i] = RandomRecord();
        }

        var first = 0L;
        if (producer is not null)
        {
            var sent = Sent(producer);
            first = sent.Count == 0 ? random.Next(3) : sent[^1].First + sent[^1].Records.Length + (random.Next(4) == 0 ? random.Next(100) : 0);
        }

        await AppendAsync(records, producer, first);
        if (producer is not null && records.Length > 0)
        {
            Sent(producer).Add((first, records));
        }
    }

    private Task RepeatAsync()
    {
        var producer = Producers[random.Next(Producers.Length)];
        var sent = Sent(producer);
        if (sent.Count == 0)
        {
            return AppendAsync(producer);
        }

        var (first, records) = sent[Math.Max(0, sent.Count - 1 - random.Next(random.Next(1, 9)))];
        var skipped = random.Next(2) == 0 ? 0 : random.Next(records.Length);
        records = records[skipped..];
        if (random.Next(4) == 0)
        {
            // Repeats some and, if nothing follows them, adds others.
            records = [.. records, RandomRecord(), RandomRecord()];
        }

        return AppendAsync(records, producer, first + skipped);
    }

    private async Task AppendAsync(StreamRecord[] records, string? producer, long first)
    {
        Note($"append {records.Length} as {producer ?? "nobody"} from {first} to {model.End}");
        var now = clock.TimeProvider.GetUtcNow();
        var expected = model.Append(Array.ConvertAll(records, record => record.Timestamp == default ? record with { Timestamp = now } : record), producer, first);
        AppendResult result;
        try
        {
            result = await Any.AppendAsync(new AppendRequest(records) { ProducerId = producer, FirstSequence = first }, cancellation);
        }
        catch (InvalidMessageException) when (expected is null)
        {
            return;
        }

        Assert.True(expected is not null, "The append should have been refused.");
        Assert.Equal(expected.Value.IsRepeat, result.Duplicate);
        Assert.True(result.FirstOffset == expected.Value.First || (result.Duplicate && result.FirstOffset == -1), $"It is said to be at {result.FirstOffset}, not {expected.Value.First}.");
        if (!result.Duplicate && clock.Margin > TimeSpan.Zero)
        {
            await TakeTimestampsAsync(result.FirstOffset, records);
        }

        await LookAsync();
    }

    // On a real clock only the store knows which instant it took, also of what it need not keep and does.
    private async Task TakeTimestampsAsync(long first, StreamRecord[] records)
    {
        var earliest = (await Any.GetStatsAsync(cancellation)).EarliestOffset;
        for (var i = 0; i < records.Length; i++)
        {
            if (records[i].Timestamp == default && first + i >= earliest)
            {
                using var page = await Any.ReadAsync(first + i, 1, 1, cancellation);
                model.Records[(int)first + i] = model.Records[(int)first + i] with { Timestamp = page.Records.Span[0].Timestamp };
            }
        }
    }

    private async Task ReadAsync()
    {
        await LookAsync();
        var offset = random.NextInt64(0, model.End + 3);
        await ReadAsync(offset, random.Next(1, 150), random.Next(1, 4) == 1 ? random.Next(1, 3_000) : 1 << 20);
    }

    private async Task<long> ReadAsync(long offset, int maxRecords, int maxBytes)
    {
        Note($"read {maxRecords} records, {maxBytes} bytes from {offset}");
        if (offset < _earliest)
        {
            var error = await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => Any.ReadAsync(offset, maxRecords, maxBytes, cancellation).AsTask());
            Assert.Equal(_earliest, error.Earliest);
            return offset;
        }

        using var page = await Any.ReadAsync(offset, maxRecords, maxBytes, cancellation);
        Assert.Equal(model.End, page.EndOffset);
        var expected = new List<StreamRecord>();
        var bytes = 0L;
        for (var at = offset; at < model.End && expected.Count < maxRecords; at++)
        {
            var record = model.Records[(int)at];
            bytes += StreamRecordRules.SizeOf(in record);
            if (expected.Count > 0 && bytes > maxBytes)
            {
                break;
            }

            expected.Add(record with { Offset = at });
        }

        // An engine may end a page early, but not hold back what there is.
        var actual = page.Records.ToArray();
        Assert.InRange(actual.Length, Math.Min(1, expected.Count), expected.Count);
        Assert.Equal(expected.Take(actual.Length).Select(Describe), actual.Select(Describe));
        Assert.Equal(offset + actual.Length, page.NextOffset);
        return page.NextOffset;
    }

    private async Task FindAsync()
    {
        await LookAsync();
        var timestamp = model.End > 0 && random.Next(4) > 0
            ? model.Records[random.Next((int)model.End)].Timestamp.AddTicks(random.Next(-1, 2))
            : clock.TimeProvider.GetUtcNow();
        Note($"find {timestamp:O}");
        Assert.Equal(model.Find(timestamp, _earliest), await Any.FindOffsetAsync(timestamp, cancellation));
    }

    private async Task TrimAsync()
    {
        var before = random.Next(5) == 0 ? model.End + random.Next(0, 3) : Math.Min(model.End, _earliest + random.Next(-2, 20));
        Note($"trim {before}");
        if (before > model.End)
        {
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Any.TrimAsync(before, cancellation).AsTask());
            return;
        }

        await Any.TrimAsync(before, cancellation);
        model.Trim(before);
        await LookAsync();
    }

    private async Task WaitAsync()
    {
        Note("wait");
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (model.End > 0)
        {
            await Any.WaitForAsync(model.End - 1, cancellation);
        }

        var ahead = random.Next(0, 4);
        var waiting = Any.WaitForAsync(model.End + ahead, ending.Token).AsTask();
        Assert.False(waiting.IsCompleted);
        if (random.Next(2) == 0)
        {
            await AppendAsync([.. Enumerable.Range(0, ahead + 1).Select(_ => RandomRecord())], null, 0);
            await waiting;
        }
        else
        {
            await ending.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }
    }

    private async Task ReplaceAsync()
    {
        Note("replace an opening");
        var index = random.Next(_openings.Count);
        await _openings[index].DisposeAsync();
        _openings[index] = await open(Restart.None);
    }

    private async Task RestartAsync(Restart kind)
    {
        Note($"{kind}");
        _openings[0] = await open(kind);
        _openings[1] = await open(Restart.None);
        await LookAsync();
    }

    private async Task AdvanceAsync()
    {
        Note("advance");
        await clock.AdvanceAsync(TimeSpan.FromMilliseconds(random.Next(1, 10)), cancellation);
    }

    private async Task FlushAsync()
    {
        Note("flush");
        await Any.FlushAsync(cancellation);
    }

    /// <summary>Where the store begins is its own choice within bounds, so it is asked; it must not go back.</summary>
    private async Task LookAsync()
    {
        var stats = await Any.GetStatsAsync(cancellation);
        Assert.Equal(model.End, stats.EndOffset);
        Assert.InRange(stats.EarliestOffset, Math.Max(_earliest, model.Trimmed), model.KeptFrom);
        _earliest = stats.EarliestOffset;
        var bytes = model.Records.Skip((int)_earliest).Sum(record => StreamRecordRules.SizeOf(in record));
        Assert.True(stats.Bytes >= bytes, $"The records have {bytes} bytes, {stats.Bytes} are stated.");
    }

    private List<(long First, StreamRecord[] Records)> Sent(string producer) => _sent.TryGetValue(producer, out var sent) ? sent : _sent[producer] = [];

    private StreamRecord RandomRecord()
    {
        var body = new byte[random.Next(20) == 0 ? random.Next(5_000) : random.Next(60)];
        random.NextBytes(body);
        var key = new byte[random.Next(2) == 0 ? 0 : random.Next(1, 20)];
        random.NextBytes(key);
        return new StreamRecord
        {
            Body = body,
            Key = key,
            Headers = random.Next(3) == 0 ? MessageHeaders.Of(("n", $"{random.Next(100)}"), ("ü", "🙂")) : null,
            Timestamp = random.Next(3) == 0 ? clock.TimeProvider.GetUtcNow().AddTicks(random.NextInt64(-50_000_000, 50_000_000)) : default,
        };
    }

    private static string Describe(StreamRecord record)
    {
        var headers = new StringBuilder();
        foreach (var (name, value) in record.Headers ?? MessageHeaders.Empty)
        {
            headers.Append(name).Append('=').Append(value).Append(' ');
        }

        return $"{record.Offset} {record.Timestamp.UtcTicks} {Convert.ToHexString(record.Key.Span)} {headers} {Convert.ToHexString(record.Body.Span)}";
    }

    private void Note(string step) => _log.Add($"{model.End,5} {step}");
}
