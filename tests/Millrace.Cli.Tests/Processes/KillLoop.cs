using System.Globalization;
using System.Text;
using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>
/// Law Q11 against kill -9. A sender (<c>millrace send</c>) and two workers (one that reports what the store acknowledged to it, one <c>millrace work --exec</c>) work on one queue
/// while something is killed at random instants. What they were promised until then must hold.
/// </summary>
public abstract class KillLoop : IAsyncDisposable
{
    private const string Queue = "jobs";
    private const int LeaseMs = 500;

    // One write, so that a line is whole or absent. A killed worker's command ends by itself, and then its line counts: the message was handled.
    private const string Handler = "echo \"$MILLRACE_ID $MILLRACE_ATTEMPT\"";

    // How far the sender may be ahead of the workers, so that the loop ends with little left to do.
    private const int WindowSize = 600;

    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _store = new();
    private readonly KillJournal _journal = new();
    private readonly SortedSet<int> _unacknowledged = [];
    private RunningProcess? _sender;
    private RunningProcess? _worker;
    private RunningProcess? _commandWorker;
    private int _nextId;

    public virtual async ValueTask DisposeAsync()
    {
        foreach (var process in (RunningProcess?[])[_sender, _worker, _commandWorker])
        {
            if (process is not null)
            {
                await process.DisposeAsync();
            }
        }

        _store.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The store, as the processes are told of it.</summary>
    private protected abstract string Url { get; }

    private protected StoreFolder Store => _store;

    private protected RunningProcess Sender => _sender!;

    private protected RunningProcess Worker => _worker!;

    private protected RunningProcess CommandWorker => _commandWorker!;

    /// <summary>Kills so many times, and looks at what is left.</summary>
    /// <param name="kills">How often.</param>
    /// <param name="killAsync">Kills something, and starts it again.</param>
    private protected async Task RunAsync(int kills, Func<Random, Task> killAsync)
    {
        var random = TestScale.CreateRandom();
        (await CommandAsync("queue", "create", Queue, "--max-deliveries", "1000000")).Succeeded();
        StartWorker();
        StartCommandWorker();
        StartSender();
        for (var kill = 0; kill < kills; kill++)
        {
            var moment = _journal.AfterEventsAsync(random.Next(1, 1500));
            await FeedUntilAsync(moment);
            await moment;
            await Task.Delay(TimeSpan.FromMilliseconds(random.NextDouble() * 20), TimeProvider.System, Token);
            await killAsync(random);
        }

        await DrainAsync();

        var dead = await DeadIdsAsync();
        _journal.Check(dead);
        Assert.Equal("ok", await _store.QueryAsync("pragma integrity_check"));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{kills} kills, {_nextId} messages sent, {_journal.Acknowledged.Length} acknowledged, {_journal.SettledCount} settlements acknowledged, {dead.Count} dead letters");
    }

    private protected void StartWorker() =>
        _worker = RunningProcess.Start(
            _store.Path, RunningProcess.CrashWorker, [Url, Queue, LeaseMs.ToString(CultureInfo.InvariantCulture)], onLine: _journal.OnWorked);

    private protected void StartCommandWorker() =>
        _commandWorker = StartCommand(_journal.OnHandledByCommand, "work", Queue, "--exec", Handler, "--concurrency", "1", "--lease", $"{LeaseMs}ms");

    // A new sender begins with what the killed one got no answer for: under the same ids, so that what was stored all the same stays once.
    private protected void StartSender()
    {
        _sender = StartCommand(_journal.OnSent, "send", Queue, "--id-field", "id", "--batch", "20", "--json");
        _unacknowledged.ExceptWith(_journal.Acknowledged);
        Write(_unacknowledged);
    }

    private async Task FeedUntilAsync(Task moment)
    {
        while (!moment.IsCompleted)
        {
            var ahead = _nextId - _journal.HandledCount;
            var news = Enumerable.Range(_nextId, ahead < WindowSize ? 50 : 0).ToArray();
            _nextId += news.Length;
            _unacknowledged.UnionWith(news);
            Write(news);
            await Task.WhenAny(moment, _journal.AfterEventsAsync(25));
        }
    }

    private void Write(IReadOnlyCollection<int> ids)
    {
        var lines = new StringBuilder();
        foreach (var id in ids)
        {
            lines.Append(CultureInfo.InvariantCulture, $"{{\"id\":{id},\"text\":\"message {id}\"}}\n");
        }

        _sender!.Input.Write(lines);
        _sender.Input.Flush();
    }

    private async Task DrainAsync()
    {
        _sender!.Input.Close();
        Assert.Equal(ExitCodes.Done, await _sender.ExitAsync());
        await _sender.Output;
        Assert.Equal(_nextId, _journal.Acknowledged.Length);
        await _worker!.KillAsync();
        _commandWorker!.Signal(15);

        // 143: the signal came before the runtime of a worker just started could hear it.
        Assert.Contains(await _commandWorker.ExitAsync(), (int[])[ExitCodes.Done, 143]);
        await _commandWorker.Output;

        // What the killed worker held comes back when its leases end.
        while (await WaitingAsync() > 0)
        {
            await using var last = StartCommand(
                _journal.OnHandledByCommand, "work", Queue, "--exec", Handler, "--lease", $"{LeaseMs}ms", "--exit-when-idle", $"{2 * LeaseMs}ms");
            Assert.Equal(ExitCodes.Done, await last.ExitAsync());
            await last.Output;
        }
    }

    private async Task<int> WaitingAsync()
    {
        var stats = (await CommandAsync("stats", Queue, "--json")).Succeeded().Objects[0];
        return stats.GetProperty("ready").GetInt32() + stats.GetProperty("scheduled").GetInt32() + stats.GetProperty("leased").GetInt32();
    }

    private async Task<List<int>> DeadIdsAsync()
    {
        var dead = (await CommandAsync("dead", "list", Queue, "--limit", "1000000", "--json")).Succeeded().Objects;
        return [.. dead.Select(item => int.Parse(item.GetProperty("id").GetString()!, CultureInfo.InvariantCulture))];
    }

    private Task<CliResult> CommandAsync(params string[] args) => RunningProcess.RunAsync(_store.Path, [.. args, "--url", Url]);

    private RunningProcess StartCommand(Action<string> onLine, params string[] args) =>
        RunningProcess.Start(_store.Path, RunningProcess.Millrace, [.. args, "--url", Url], onLine: onLine);
}
