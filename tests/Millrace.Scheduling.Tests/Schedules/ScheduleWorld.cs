using System.Collections.Concurrent;
using System.Text;
using Millrace.Scheduling.Schedules;
using Millrace.Scheduling.Triggers;
using Millrace.Storage;
using Millrace.Storage.Engine;
using Millrace.Testing;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>The schedule side of one process over a store in memory and a clock that moves when it is told to.</summary>
internal sealed class ScheduleWorld : IAsyncDisposable
{
    public static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly TimerHeap _timers;
    private readonly List<(Task Run, CancellationTokenSource End)> _running = [];

    public ScheduleWorld(QueueFeatures features = QueueFeatures.All)
    {
        var clock = new MonotonicClock(Clock);
        _timers = new TimerHeap(clock);
        Queues = new QueueEngine(clock, _timers, createsQueues: true, new QueueCapabilities { Backend = "memory", Durability = StoreDurability.None, Features = features });
        Store = new ScheduleStore(State);
        Firer = NewFirer(Clock);
        Client = new ScheduleClient(Store, Firer, Clock);
        Gate = new OccurrenceGate(Store, Queues.Capabilities, RecordAsync, Clock, "node");
    }

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ManualTimeProvider Clock { get; } = new(Start);

    public StateEngine State { get; } = new();

    public QueueEngine Queues { get; }

    public ScheduleStore Store { get; }

    public ScheduleFirer Firer { get; }

    public ScheduleClient Client { get; }

    public OccurrenceGate Gate { get; }

    public ConcurrentQueue<RunRecord> Records { get; } = new();

    public ConcurrentQueue<string> Cancelled { get; } = new();

    public RecordingLogger Logger { get; } = new();

    public static ScheduleDefinition Every(string name, TimeSpan interval) =>
        new() { Name = name, Trigger = Trigger.Every(interval), Target = new JobTarget { Job = "work" } };

    public static ScheduleDefinition EverySecond(string name, int seconds = 1) => Every(name, TimeSpan.FromSeconds(seconds));

    public static ScheduleDocument DocumentOf(ScheduleDefinition definition, DateTimeOffset? since = null) =>
        new() { Definition = definition, Version = 1, FirstVersion = 1, Since = since ?? Start, CreatedAt = Start, Source = "api" };

    public static RunRecord Ended(Occurrence occurrence, RunOutcome outcome = RunOutcome.Succeeded) => new()
    {
        Run = occurrence.Id,
        Queue = ScheduleDefinition.DefaultQueue,
        Outcome = outcome,
        ScheduledAt = occurrence.Due,
        FinishedAt = occurrence.Due.AddSeconds(1),
        Node = "node",
        Error = outcome == RunOutcome.Failed ? "It broke." : null,
    };

    public ScheduleFirer NewFirer(TimeProvider clock, IQueueStore? queues = null, ScheduleStore? store = null) =>
        new(store ?? Store, new OccurrenceSender(queues ?? Queues, Queues, CancelAsync, RecordAsync, clock, "node"), clock, Logger);

    /// <summary>Starts a node, and returns when it has read all schedules.</summary>
    public async Task<ScheduleNode> StartNodeAsync(TimeProvider? clock = null, IQueueStore? queues = null)
    {
        clock ??= Clock;
        var node = new ScheduleNode(Store, NewFirer(clock, queues), clock, Logger, 64);
        var end = new CancellationTokenSource();
        _running.Add((Task.Run(() => node.RunAsync(new Hosting.LoopTokens(end.Token, end.Token)), Cancel), end));
        await node.Loaded.WaitAsync(TimeSpan.FromSeconds(30), Cancel);
        return node;
    }

    /// <summary>Ends the nodes that were started.</summary>
    public async Task StopNodesAsync()
    {
        foreach (var (run, end) in _running)
        {
            await end.CancelAsync();
            await ((Task)run).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            end.Dispose();
        }

        _running.Clear();
    }

    /// <summary>Ends when every node sleeps: each has a timer for the first due time, and one for the next full read.</summary>
    public Task AsleepAsync() => WhenAsync(() => Clock.ActiveTimers >= 2 * _running.Count);

    /// <summary>Moves the clock when every node sleeps.</summary>
    public async Task AdvanceAsync(TimeSpan by)
    {
        await AsleepAsync();
        Clock.Advance(by);
    }

    /// <summary>Ends when a condition holds that other threads bring about without the clock.</summary>
    public static async Task WhenAsync(Func<bool> condition)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (!condition())
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>The ids of the messages that wait in the queue of jobs, in their order.</summary>
    public async Task<string[]> SentAsync(string queue = ScheduleDefinition.DefaultQueue)
    {
        try
        {
            var page = await Queues.BrowseAsync(queue, new BrowseQuery { Limit = 1000 }, Cancel);
            return [.. page.Messages.Select(message => message.Message.Id.ToString())];
        }
        catch (QueueNotFoundException)
        {
            return [];
        }
    }

    /// <summary>Ends when so many messages were sent, however long the nodes take for it; the clock stands.</summary>
    public async Task<string[]> SentAsync(int count)
    {
        string[] sent = [];
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (sent.Length < count)
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
            sent = await SentAsync();
        }

        return sent;
    }

    /// <summary>The message with an id as a worker sees it.</summary>
    public static Occurrence OccurrenceOf(string id) => new(
        id[..id.IndexOf('@', StringComparison.Ordinal)],
        ScheduleKeys.VersionOf(id),
        DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(id[(id.LastIndexOf('@') + 1)..].Split('~')[0], System.Globalization.CultureInfo.InvariantCulture)),
        id);

    public async Task<CursorDocument> CursorAsync(string name) => (await Store.ReadCursorAsync(name, Cancel)).Value;

    public async Task PutTextAsync(string key, string text) => await State.PutAsync(key, Encoding.UTF8.GetBytes(text), null, Cancel);

    public async ValueTask DisposeAsync()
    {
        await StopNodesAsync();
        await Queues.DisposeAsync();
        State.Dispose();
        _timers.Dispose();
    }

    private ValueTask CancelAsync(string id, CancellationToken cancellationToken)
    {
        Cancelled.Enqueue(id);
        return default;
    }

    private ValueTask RecordAsync(RunRecord record, CancellationToken cancellationToken)
    {
        Records.Enqueue(record);
        return default;
    }
}
