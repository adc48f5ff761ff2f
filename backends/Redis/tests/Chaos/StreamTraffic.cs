using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Appends to one partition, with and without producer ids, whatever happens to the servers, and holds what it was told against what can be read afterwards.</summary>
internal sealed class StreamTraffic(IStreamStore store, string stream)
{
    private const int RecordsInAppend = 2;

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(1);

    private readonly ConcurrentDictionary<string, long> _acknowledged = new();
    private readonly ConcurrentDictionary<string, bool> _refused = new();
    private long _appends;

    public FaultLog Faults { get; } = new();

    public long Appends => Interlocked.Read(ref _appends);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private StreamPartitionContext Context => new() { Stream = stream, Partition = 0, PartitionCount = 1 };

    /// <summary>Starts two producers: one that repeats an append of unknown fate under its producer id, and one without an id that never repeats.</summary>
    public IEnumerable<Task> Start(CancellationToken stop) => [Task.Run(() => AppendAsync("p", stop), Cancellation), Task.Run(() => AppendAsync(null, stop), Cancellation)];

    /// <summary>Reads everything: offsets must be dense, and appends whole, at their place and there once.</summary>
    /// <returns>How many acknowledged appends are gone.</returns>
    public async Task<int> CountLostAsync()
    {
        Faults.AssertNoneWrong();
        await using var partition = await store.OpenPartitionAsync(Context, Cancellation);
        var records = new List<string>();
        long end;
        do
        {
            using var page = await partition.ReadAsync(records.Count, 1000, 1_000_000, Cancellation);
            foreach (var record in page.Records.ToArray())
            {
                Assert.Equal(records.Count, record.Offset);
                records.Add(Encoding.UTF8.GetString(record.Body.Span));
            }

            end = page.EndOffset;
        }
        while (records.Count < end);

        Assert.Equal(records.Count, records.Distinct().Count());
        for (var i = 0; i < records.Count; i += RecordsInAppend)
        {
            Assert.Equal(records[i] + "+", records[i + 1]);
        }

        Assert.DoesNotContain(records, _refused.ContainsKey);
        return _acknowledged.Count(pair => pair.Value >= records.Count || records[(int)pair.Value] != pair.Key);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"stream '{stream}': {Appends} appends acknowledged; {Faults}");

    private async Task AppendAsync(string? producer, CancellationToken stop)
    {
        IStreamPartition? partition = null;
        for (var number = 0; !stop.IsCancellationRequested; number++)
        {
            while (!await TryAppendAsync(producer, number) && producer is not null && !stop.IsCancellationRequested)
            {
                await Task.Delay(Pace, TimeProvider.System, Cancellation);
            }

            await Task.Delay(Pace, TimeProvider.System, Cancellation);
        }

        if (partition is not null)
        {
            await partition.DisposeAsync();
        }

        async Task<bool> TryAppendAsync(string? id, int number)
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"{id ?? "anonymous"}/{number}");
            try
            {
                partition ??= await store.OpenPartitionAsync(Context, Cancellation);
                var records = new StreamRecord[] { new() { Body = Encoding.UTF8.GetBytes(text) }, new() { Body = Encoding.UTF8.GetBytes(text + "+") } };
                var result = await partition.AppendAsync(new AppendRequest(records) { ProducerId = id, FirstSequence = number * RecordsInAppend }, Cancellation);
                _refused.TryRemove(text, out _);
                _acknowledged[text] = result.FirstOffset;
                Interlocked.Increment(ref _appends);
                return true;
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                if (!Faults.Add("append", fault) && id is null)
                {
                    _refused[text] = true;
                }

                return false;
            }
        }
    }
}
