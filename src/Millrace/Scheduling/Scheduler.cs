using System.Reflection;
using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Scheduling.Schedules;

namespace Millrace.Scheduling;

/// <summary>
/// Fires the schedules of a state store: one node of any number, without a leader. Stores the schedules that its application defines in code, then sends occurrences to their queues
/// when they are due; workers of jobs run them. Start it once, stop it once; every member is safe to call from any thread.
/// </summary>
public sealed class Scheduler : IMessageWorker
{
    private readonly ScheduleClient _schedules;
    private readonly ScheduleNode _node;
    private readonly SchedulerOptions _options;
    private readonly ILogger _logger;
    private readonly BackgroundLoop _loop;
    private readonly TimeProvider _timeProvider;

    internal Scheduler(ScheduleClient schedules, ScheduleNode node, SchedulerOptions options, TimeProvider timeProvider, ILogger logger)
    {
        options.Validate();
        _schedules = schedules;
        _node = node;
        _options = options;
        _logger = logger;
        _timeProvider = timeProvider;
        _loop = new BackgroundLoop("scheduler", node.RunAsync, new BackgroundLoopOptions { TimeProvider = timeProvider, Logger = logger });
    }

    /// <summary>Ends when the scheduler has stopped.</summary>
    public Task Completion => _loop.Completion;

    /// <summary>What the scheduler holds and has done; a moment's picture.</summary>
    public SchedulerStats Stats
    {
        get
        {
            var (count, firstDue, fired) = _node.Stats;
            var late = firstDue is { } due ? _timeProvider.GetUtcNow() - due : TimeSpan.Zero;
            return new SchedulerStats(count, firstDue, fired, late > TimeSpan.Zero ? late : TimeSpan.Zero);
        }
    }

    string IMessageWorker.Queue => "schedules";

    /// <summary>Told of this node when it starts; nobody unless set.</summary>
    internal Action<IMessageWorker>? OnStart { get; init; }

    /// <summary>Told of this node when it has stopped; nobody unless set.</summary>
    internal Action<IMessageWorker>? OnStop { get; init; }

    /// <summary>Stores the schedules of the application's code, reads all schedules, and starts to fire them; returns when that has begun.</summary>
    /// <exception cref="InvalidOperationException">The scheduler has been stopped.</exception>
    /// <exception cref="MillraceConfigurationException">The application defines two schedules of one name.</exception>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        OnStart?.Invoke(this);
        await DefineAsync(cancellationToken).ConfigureAwait(false);
        _schedules.OnChanged += _node.Notice;
        _loop.Start();
        await Task.WhenAny(_node.Loaded, _loop.Completion).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stops: fires nothing new, and waits until what is being sent has been. Safe to call again.</summary>
    /// <param name="cancellationToken">Ends the waiting early, as the timeout does.</param>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        _schedules.OnChanged -= _node.Notice;
        await _loop.StopAsync(_options.DrainTimeout, cancellationToken).ConfigureAwait(false);
        OnStop?.Invoke(this);
    }

    /// <summary>Stops without waiting.</summary>
    public async ValueTask DisposeAsync()
    {
        _schedules.OnChanged -= _node.Notice;
        await _loop.DisposeAsync().ConfigureAwait(false);
        OnStop?.Invoke(this);
    }

    /// <summary>For an application that defines no schedules, and fires none: marks those that it defined before.</summary>
    internal static async Task DefineNoneAsync(ScheduleClient schedules, ILogger logger, CancellationToken cancellationToken)
    {
        if (SourceOf(null) is not { } source)
        {
            return;
        }

        try
        {
            await OrphanAsync(schedules, source, [], logger, cancellationToken).ConfigureAwait(false);
        }
        catch (MillraceException exception)
        {
            // No reason not to start: it may have no right to the schedules at all.
            logger.OrphansNotFound(source, exception.Message);
        }
    }

    private async Task DefineAsync(CancellationToken cancellationToken)
    {
        if (SourceOf(_options.Application) is not { } source)
        {
            return;
        }

        var definitions = new List<ScheduleDefinition>(_options.Schedules);
        foreach (var unread in _options.Unread)
        {
            try
            {
                definitions.Add(unread.Read());
            }
            catch (MillraceException exception)
            {
                _logger.ScheduleRefused(exception, unread.Name, source);
            }
        }

        RequireDistinct(definitions);
        var results = await _schedules.PutManyAsync(definitions, source, cancellationToken).ConfigureAwait(false);
        foreach (var result in results)
        {
            if (result.Error is { } error)
            {
                _logger.ScheduleRefused(error, result.Name, source);
            }
            else if (result.Change != ScheduleChange.Unchanged)
            {
                _logger.ScheduleChanged(result.Name, result.Change == ScheduleChange.Created ? "created" : "updated", source);
            }
        }

        // One that was refused is still wanted: what is stored of it goes on.
        await OrphanAsync(_schedules, source, results.Select(result => result.Name).Concat(_options.Unread.Select(unread => unread.Name)), _logger, cancellationToken).ConfigureAwait(false);
    }

    private static string? SourceOf(string? application) =>
        (application ?? Assembly.GetEntryAssembly()?.GetName().Name) is { } name ? $"code:{name}" : null;

    // Which of them is meant nobody knows, and written one after the other they would change with each start.
    private static void RequireDistinct(List<ScheduleDefinition> definitions)
    {
        if (definitions.CountBy(definition => definition.Name, StringComparer.Ordinal).FirstOrDefault(named => named.Value > 1) is { Key: { } name } twice)
        {
            throw new MillraceConfigurationException(
                $"The code of this application defines the schedule '{name}' {twice.Value} times. Leave one, or give each a name of its own: a [{nameof(ScheduleAttribute)[..^9]}] without a name has that of its job.");
        }
    }

    private static async Task OrphanAsync(ScheduleClient schedules, string source, IEnumerable<string> defined, ILogger logger, CancellationToken cancellationToken)
    {
        var orphans = await schedules.OrphanAsync(source, defined.ToHashSet(StringComparer.Ordinal), cancellationToken).ConfigureAwait(false);
        if (orphans.Count > 0)
        {
            logger.SchedulesOrphaned(source, string.Join(", ", orphans));
        }
    }
}

/// <summary>What a scheduler holds and has done.</summary>
/// <param name="Schedules">How many schedules it knows.</param>
/// <param name="NextDue">When it looks at the first of them; null when none is ever due.</param>
/// <param name="Fired">How many occurrences it has sent; those of other nodes are not among them.</param>
/// <param name="Overdue">How long the first one has been due without having been fired; zero as a rule.</param>
public readonly record struct SchedulerStats(int Schedules, DateTimeOffset? NextDue, long Fired, TimeSpan Overdue);
