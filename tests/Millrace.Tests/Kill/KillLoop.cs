using System.Globalization;
using System.Text;
using Millrace.Storage;
using Millrace.Streams;
using Xunit;

namespace Millrace.Tests.Kill;

/// <summary>kill -9 of a process that works on queue, stream and consumer group, at random instants. 5 rounds; more with MILLRACE_FULL=1.</summary>
public abstract class KillLoop
{
    private readonly HashSet<string> _sent = [];
    private readonly HashSet<string> _done = [];
    private readonly HashSet<string> _tried = [];
    private readonly Dictionary<string, int> _attempts = [];
    private readonly Dictionary<string, string> _appended = [];
    private readonly Dictionary<(int Partition, long Offset), string> _grouped = [];
    private readonly GroupProgress[] _progress = [.. Enumerable.Range(0, KilledProcess.GroupedPartitions).Select(_ => new GroupProgress())];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>How many rounds there are at full size.</summary>
    protected abstract int FullRounds { get; }

    /// <summary>The store, with what it promises.</summary>
    protected abstract string UrlOf(string durability);

    [Theory]
    [InlineData("full")]
    [InlineData("process")]
    public async Task KilledAtAnyInstant_NothingAcknowledgedIsLost_AndNothingSettledComesBack(string durability)
    {
        var random = TestScale.CreateRandom();
        var rounds = TestScale.IsFull ? FullRounds : 5;
        var url = UrlOf(durability);
        for (var round = 0; round < rounds; round++)
        {
            // Some of them die before their group has missed the member of the last one, and others in the middle of its work.
            await RunAsync(url, (round + 1) * 10_000_000, reports: random.Next(1, 2000), ofGroup: round == 0 ? 1 : random.Next(2) * random.Next(1, 100));
            await CheckAsync(url);
        }

        Assert.NotEmpty(_done);
        Assert.Contains(_progress, progress => progress.Committed > 0);
        TestScale.Report($"{rounds} kills: {_done.Count} messages settled, {_appended.Count + _grouped.Count} records appended, {_progress.Sum(progress => progress.Committed)} committed");
    }

    /// <summary>Lets a process work until it has reported so much, and its group so much of it, and kills it.</summary>
    private async Task RunAsync(string url, int from, int reports, int ofGroup)
    {
        using var process = KilledProcess.Start(url, from);
        var (isKilled, said) = (false, new StringBuilder());
        try
        {
            while (await process.StandardOutput.ReadLineAsync(Cancellation) is { } line)
            {
                if (KilledProcess.Read(line) is not { } words)
                {
                    said.AppendLine(line);
                    continue;
                }

                Note(words);
                reports--;
                ofGroup -= words[0] == "committed" ? 1 : 0;
                if (!isKilled && reports <= 0 && ofGroup <= 0)
                {
                    isKilled = true;
                    process.Kill();
                }
            }
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }

        Assert.True(isKilled, $"The process has ended by itself: {said}");
    }

    private void Note(string[] words)
    {
        switch (words[0])
        {
            case "sent":
                _sent.Add(words[1]);
                break;
            case "taken":
                Assert.False(_done.Contains(words[1]), $"{words[1]} was settled, and came back.");
                _tried.Add(words[1]);
                _attempts[words[1]] = Number(words[2]);
                break;
            case "done":
                _done.Add(words[1]);
                break;
            case "appended":
                _appended.Add(words[1], words[2]);
                break;
            case "grouped":
                _grouped.Add((Number(words[2]), Number(words[3])), words[1]);
                break;
            default:
                _progress[Number(words[1])].Note(words[0], Number(words[2]), Number(words[3]));
                break;
        }
    }

    private static int Number(string word) => int.Parse(word, CultureInfo.InvariantCulture);

    private async Task CheckAsync(string url)
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: Cancellation);
        var left = await TextsAsync(backend, KilledProcess.Queue);
        var pairs = await TextsAsync(backend, "pair");
        Assert.Equal(left.Count, left.Keys.Distinct().Count());
        Assert.Empty(left.Keys.Intersect(_done));

        // What was taken last may have been settled without a word of it.
        Assert.Empty(_sent.Except(left.Keys).Except(_done).Except(_tried));
        Assert.True(_sent.Except(left.Keys).Except(_done).Count() <= 1);
        Assert.Empty(_sent.Except(pairs.Keys));
        Assert.Empty(left.Keys.Except(pairs.Keys));
        Assert.All(_attempts.Where(one => left.ContainsKey(one.Key)), one => Assert.True(left[one.Key] >= one.Value, $"{one.Key} had {one.Value} attempts, and has {left[one.Key]}"));
        _done.UnionWith(_sent.Except(left.Keys));
        await CheckStreamAsync(backend);
        await CheckGroupAsync(backend);
    }

    private async Task CheckStreamAsync(Backend backend)
    {
        await using var partition = await backend.Streams!.OpenPartitionAsync(
            new StreamPartitionContext { Stream = KilledProcess.Stream, Partition = 0, PartitionCount = 1 }, Cancellation);
        var found = new Dictionary<string, string>();
        var end = (await partition.GetStatsAsync(Cancellation)).EndOffset;
        for (var offset = 0L; offset < end;)
        {
            using var page = await partition.ReadAsync(offset, 1000, 100_000, Cancellation);
            foreach (var record in page.Records.ToArray())
            {
                found.Add(Encoding.UTF8.GetString(record.Body.Span), record.Offset.ToString(CultureInfo.InvariantCulture));
            }

            offset = page.NextOffset;
        }

        Assert.Equal(end, found.Count);
        Assert.All(_appended, one => Assert.Equal(one.Value, found[one.Key]));
    }

    /// <summary>Law S6: what was committed stays so, and nothing is that nobody has handled.</summary>
    private async Task CheckGroupAsync(Backend backend)
    {
        var catalog = new StreamCatalog(backend.Streams!, backend.State!, TimeProvider.System);
        if (await catalog.GetAsync(KilledProcess.Grouped, Cancellation) is null)
        {
            // The process died before it had come to that.
            Assert.Empty(_grouped);
            return;
        }

        foreach (var ((number, offset), text) in _grouped)
        {
            var partition = await catalog.OpenPartitionAsync(KilledProcess.Grouped, number, Cancellation);
            using var page = await partition.ReadAsync(offset, 1, 100_000, Cancellation);
            Assert.Equal(text, Encoding.UTF8.GetString(page.Records.Span[0].Body.Span));
        }

        var positions = await catalog.GetGroupAsync(KilledProcess.Grouped, KilledProcess.Group, Cancellation);
        for (var number = 0; number < _progress.Length; number++)
        {
            _progress[number].Check(positions.SingleOrDefault(position => position.Partition == number));
        }
    }

    /// <summary>The messages of a queue with their attempts.</summary>
    private static async Task<Dictionary<string, int>> TextsAsync(Backend backend, string queue)
    {
        var texts = new Dictionary<string, int>();
        var query = new BrowseQuery { Limit = 1000 };
        while (true)
        {
            BrowsePage page;
            try
            {
                page = await backend.Require<IQueueAdmin>().BrowseAsync(queue, query, Cancellation);
            }
            catch (QueueNotFoundException)
            {
                return texts;
            }

            foreach (var one in page.Messages)
            {
                texts.Add(Encoding.UTF8.GetString(one.Message.Body.Span), one.Attempts);
            }

            if (page.Next is null)
            {
                return texts;
            }

            query = query with { Continuation = page.Next };
        }
    }

    /// <summary>How far a group has come in one partition, by what its members have reported.</summary>
    private sealed class GroupProgress
    {
        private long _next;
        private long _epoch;
        private long _found;

        public long Committed { get; private set; }

        public void Note(string what, long offset, long epoch)
        {
            Assert.True(epoch >= _epoch, $"The epoch {epoch} was over: {_epoch} has begun.");
            _epoch = epoch;
            if (what == "handled")
            {
                Assert.True(offset <= _next, $"Offset {offset} was handled next after {_next - 1}: what is between was skipped.");
                Assert.True(offset >= _found, $"Offset {offset} was handled again, although the group stood at {_found}.");
                _next = Math.Max(_next, offset + 1);
            }
            else if (what == "committed")
            {
                Committed = Math.Max(Committed, offset + 1);
            }
        }

        public void Check(StreamGroupPosition? position)
        {
            _found = position?.Offset ?? 0;
            Assert.InRange(_found, Committed, _next);
            Assert.True((position?.Epoch ?? 0) >= _epoch, $"The epoch is {position?.Epoch}; it was {_epoch}.");
        }
    }
}
