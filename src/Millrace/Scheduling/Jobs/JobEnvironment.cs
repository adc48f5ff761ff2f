using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Hosting;
using Millrace.Scheduling.History;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>What the jobs of one client stand on: its stores, clock and log. Safe for concurrent use.</summary>
internal sealed class JobEnvironment(MillraceClient client, MillraceClientOptions options)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan PatientFor = TimeSpan.FromSeconds(20);

    public MillraceClient Client => client;

    public MillraceClientOptions Options => options;

    public TimeProvider TimeProvider => options.TimeProvider;

    public IQueueStore Store { get; } = client.Require<IQueueStore>();

    public IQueueAdmin? Admin { get; } = client.Find<IQueueAdmin>();

    /// <summary>Where documents are kept; throws if there is no such place.</summary>
    public IStateStore State => FoundState ?? client.Require<IStateStore>();

    public IStateStore? FoundState { get; } = client.Find<IStateStore>();

    public JobQueues Queues { get; } = new(client.Find<IQueueAdmin>());

    public ILogger Logger { get; } = options.LoggerFactory.CreateLogger("Millrace.Jobs");

    /// <summary>This process, as the history names it.</summary>
    public string Node { get; } = $"{Environment.MachineName}/{Environment.ProcessId}";

    public required RunAppender Runs { get; init; }

    /// <summary>Who lists the runs, where the store of the history does; else null.</summary>
    public IRunReader? RunReader { get; init; }

    /// <summary>Where the random part of pauses comes from; thread-safe.</summary>
    public Random Random { get; init; } = Random.Shared;

    public DateTimeOffset Now => options.TimeProvider.GetUtcNow();

    public static MessageId NewId(DateTimeOffset now) => new(Guid.CreateVersion7(now));

    /// <summary>Does something that can be repeated, and repeats it for a while when it meets a transient fault: better than to repeat a whole run.</summary>
    public async ValueTask PersistAsync(Func<CancellationToken, ValueTask> step, CancellationToken cancellationToken)
    {
        var startedAt = TimeProvider.GetTimestamp();
        var backoff = new Backoff(FirstPause, LongestPause, Random);
        while (true)
        {
            try
            {
                await step(cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (MillraceException exception) when (exception.IsTransient && TimeProvider.GetElapsedTime(startedAt) < PatientFor)
            {
                await Task.Delay(backoff.Next(), TimeProvider, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Whether a message is in its queue, in whatever state; null if that cannot be asked.</summary>
    public async ValueTask<bool?> IsInQueueAsync(string queue, MessageId id, CancellationToken cancellationToken) =>
        Admin is null || !Store.Capabilities.Has(QueueFeatures.Browsing) ? null : await FindAsync(queue, id, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>A message of a queue; null if there is none, or no such queue.</summary>
    public async ValueTask<BrowsedMessage?> FindAsync(string queue, MessageId id, CancellationToken cancellationToken)
    {
        try
        {
            return Admin is null ? null : await Admin.GetMessageAsync(queue, id, cancellationToken).ConfigureAwait(false);
        }
        catch (QueueNotFoundException)
        {
            return null;
        }
    }
}
