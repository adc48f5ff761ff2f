using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>kill -9 of a process that works on queue and stream, at random instants. 5 rounds; 100 with MILLRACE_FULL=1.</summary>
public sealed class KillTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HashSet<string> _sent = [];
    private readonly HashSet<string> _done = [];
    private readonly HashSet<string> _tried = [];
    private readonly Dictionary<string, int> _attempts = [];
    private readonly Dictionary<string, string> _appended = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("full")]
    [InlineData("process")]
    public async Task KilledAtAnyInstant_NothingAcknowledgedIsLost_AndNothingSettledComesBack(string durability)
    {
        var random = new Random(Hosting.TestSeed.Next());
        var rounds = Environment.GetEnvironmentVariable("MILLRACE_FULL") == "1" ? 100 : 5;
        var url = _folder.Url($"durability={durability}&segmentBytes=65536&memoryBytes=10000");
        for (var round = 0; round < rounds; round++)
        {
            await RunAsync(url, (round + 1) * 10_000_000, reports: random.Next(1, 2000));
            await CheckAsync(url);
        }

        Assert.NotEmpty(_done);
    }

    /// <summary>Lets a process work until it has reported so much, and kills it.</summary>
    private async Task RunAsync(string url, int from, int reports)
    {
        using var process = KilledProcess.Start(url, from);
        try
        {
            while (await process.StandardOutput.ReadLineAsync(Cancellation) is { } line)
            {
                if (KilledProcess.Read(line) is not { } words)
                {
                    continue;
                }

                Note(words);
                if (--reports == 0)
                {
                    process.Kill();
                }
            }
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }
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
                _attempts[words[1]] = int.Parse(words[2], CultureInfo.InvariantCulture);
                break;
            case "done":
                _done.Add(words[1]);
                break;
            case "appended":
                _appended.Add(words[1], words[2]);
                break;
        }
    }

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
}
