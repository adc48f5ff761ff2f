using System.Diagnostics;
using System.Diagnostics.Metrics;
using Millrace.Pipeline;
using Millrace.Queues;
using Millrace.Storage;

namespace Millrace.Diagnostics;

/// <summary>The spans and metrics of one client. Does nothing, and allocates nothing, while nobody listens. Safe for concurrent use.</summary>
internal sealed class MillraceTelemetry(string backend, TimeProvider timeProvider)
{
    public const string TraceParentHeader = "traceparent";
    public const string TraceStateHeader = "tracestate";

    private const string SystemTag = "messaging.system";
    private const string SystemName = "millrace";
    private const string BackendTag = "millrace.backend";
    private const string OperationNameTag = "messaging.operation.name";
    private const string OperationTypeTag = "messaging.operation.type";
    private const string DestinationTag = "messaging.destination.name";
    private const string ErrorTag = "error.type";

    private static readonly ActivitySource Source = new(MillraceDiagnostics.ActivitySourceName);
    private static readonly Meter Meter = new(MillraceDiagnostics.MeterName);

    // The boundaries that OpenTelemetry's conventions advise for these two, in seconds.
    private static readonly InstrumentAdvice<double> DurationAdvice = new()
    {
        HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    };

    private static readonly Counter<long> SentMessages = Meter.CreateCounter<long>(
        "messaging.client.sent.messages", "{message}", "Messages that a sender tried to store.");

    private static readonly Counter<long> ConsumedMessages = Meter.CreateCounter<long>(
        "messaging.client.consumed.messages", "{message}", "Messages that were handed to a handler, each attempt counted.");

    private static readonly Histogram<double> OperationDuration = Meter.CreateHistogram(
        "messaging.client.operation.duration", "s", "How long sending or settling took.", advice: DurationAdvice);

    private static readonly Histogram<double> ProcessDuration = Meter.CreateHistogram(
        "messaging.process.duration", "s", "How long an attempt at handling a message took.", advice: DurationAdvice);

    private static readonly Counter<long> Retries = Meter.CreateCounter<long>(
        "millrace.retries", "{message}", "Failed attempts that will be retried.");

    private static readonly Counter<long> DeadLetters = Meter.CreateCounter<long>(
        "millrace.dead_letters", "{message}", "Messages that a worker dead-lettered.");

    /// <summary>Whether anybody would notice a send. A current activity counts: its trace is passed on even when nobody listens to Millrace itself.</summary>
    public static bool ObservesSending => Activity.Current is not null || Source.HasListeners() || SentMessages.Enabled || OperationDuration.Enabled;

    /// <summary>Whether anybody would notice an attempt.</summary>
    public static bool ObservesHandling => Source.HasListeners() || ConsumedMessages.Enabled || ProcessDuration.Enabled;

    public long Now() => timeProvider.GetTimestamp();

    public Activity? StartSend(SendContext context, int count)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        // One message is created and sent in one step; a batch is a call of a client about many.
        var operation = OperationOf(context);
        var activity = Source.StartActivity($"{operation} {context.Destination}", count == 1 ? ActivityKind.Producer : ActivityKind.Client);
        if (activity is { IsAllDataRequested: true })
        {
            Describe(activity, operation, "send", context.Destination);
            if (count != 1)
            {
                activity.SetTag("messaging.batch.message_count", count);
            }
        }

        return activity;
    }

    public void EndSend(SendContext context, Activity? activity, int count, long startedAt, Exception? error)
    {
        if (activity is { IsAllDataRequested: true })
        {
            if (count == 1 && Array.Find([.. context.Messages], message => message.Result is not null) is { Result: { } result } sent)
            {
                activity.SetTag("messaging.message.id", result.Id.ToString());
                activity.SetTag("messaging.message.body.size", sent.Encoded.End.Value - sent.Encoded.Start.Value);
            }

            Fail(activity, error);
        }

        if (SentMessages.Enabled || OperationDuration.Enabled)
        {
            var tags = Tags(OperationOf(context), context.Destination, error);
            SentMessages.Add(count, tags);
            OperationDuration.Record(timeProvider.GetElapsedTime(startedAt).TotalSeconds, tags);
        }
    }

    public Activity? StartProcess(MessageContext context)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        context.Headers.TryGetValue(TraceParentHeader, out var traceParent);
        context.Headers.TryGetValue(TraceStateHeader, out var traceState);
        _ = ActivityContext.TryParse(traceParent, traceState, isRemote: true, out var parent);
        var activity = Source.StartActivity($"process {context.Queue}", ActivityKind.Consumer, parent);
        if (activity is { IsAllDataRequested: true })
        {
            Describe(activity, "process", "process", context.Queue);
            activity.SetTag("messaging.message.id", context.Id.ToString());
            activity.SetTag("messaging.message.body.size", context.Message.Body.Length);
            activity.SetTag("millrace.attempt", context.Attempt);
        }

        return activity;
    }

    public void EndProcess(MessageContext context, Activity? activity, long startedAt, Exception? error)
    {
        if (activity is { IsAllDataRequested: true })
        {
            Fail(activity, error);
        }

        if (ConsumedMessages.Enabled || ProcessDuration.Enabled)
        {
            var tags = Tags("process", context.Queue, error);
            ConsumedMessages.Add(1, tags);
            ProcessDuration.Record(timeProvider.GetElapsedTime(startedAt).TotalSeconds, tags);
        }
    }

    /// <summary>Settles a batch, and measures it.</summary>
    public ValueTask MeasureSettleAsync(DispatchConsumer consumer, ReadOnlyMemory<Settlement> settlements, Memory<SettleResult> results) =>
        Source.HasListeners() || OperationDuration.Enabled ? SettleAsync(consumer, settlements, results) : consumer.SettleAsync(settlements, results);

    /// <summary>Counts what became of one message.</summary>
    public void Settled(string queue, AttemptOutcome outcome, SettleResult result)
    {
        var counter = outcome switch
        {
            AttemptOutcome.Retried => Retries,
            AttemptOutcome.DeadLettered => DeadLetters,
            _ => null,
        };
        if (result == SettleResult.Settled && counter is { Enabled: true })
        {
            counter.Add(1, new(SystemTag, SystemName), new(BackendTag, backend), new(DestinationTag, queue));
        }
    }

    /// <summary>Measures one write of a stream's producer.</summary>
    public void StreamAppended(string stream, int records, long startedAt, Exception? error)
    {
        if (SentMessages.Enabled || OperationDuration.Enabled)
        {
            var tags = Tags("append", stream, error);
            SentMessages.Add(records, tags);
            OperationDuration.Record(timeProvider.GetElapsedTime(startedAt).TotalSeconds, tags);
        }
    }

    /// <summary>Counts what a stream's consumer returned to its caller.</summary>
    public void StreamRead(string stream, int records)
    {
        if (ConsumedMessages.Enabled)
        {
            ConsumedMessages.Add(records, Tags("read", stream, null));
        }
    }

    /// <summary>Measures one commit of a stream's consumer.</summary>
    public void StreamCommitted(string stream, long startedAt, Exception? error)
    {
        if (OperationDuration.Enabled)
        {
            OperationDuration.Record(timeProvider.GetElapsedTime(startedAt).TotalSeconds, Tags("commit", stream, error));
        }
    }

    private async ValueTask SettleAsync(DispatchConsumer consumer, ReadOnlyMemory<Settlement> settlements, Memory<SettleResult> results)
    {
        // Of several messages with traces of their own, so it is a root; the attempts are found by the queue and the time.
        using var activity = Source.StartActivity($"settle {consumer.Queue}", ActivityKind.Client, parentContext: default);
        if (activity is { IsAllDataRequested: true })
        {
            Describe(activity, "settle", "settle", consumer.Queue);
            activity.SetTag("messaging.batch.message_count", settlements.Length);
        }

        var startedAt = Now();
        Exception? error = null;
        try
        {
            await consumer.SettleAsync(settlements, results).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            error = exception;
            throw;
        }
        finally
        {
            if (activity is { IsAllDataRequested: true })
            {
                Fail(activity, error);
            }

            OperationDuration.Record(timeProvider.GetElapsedTime(startedAt).TotalSeconds, Tags("settle", consumer.Queue, error));
        }
    }

    private static string OperationOf(SendContext context) => context.IsTopic ? "publish" : "send";

    private void Describe(Activity activity, string operation, string type, string destination)
    {
        activity.SetTag(SystemTag, SystemName);
        activity.SetTag(BackendTag, backend);
        activity.SetTag(OperationNameTag, operation);
        activity.SetTag(OperationTypeTag, type);
        activity.SetTag(DestinationTag, destination);
    }

    private TagList Tags(string operation, string destination, Exception? error)
    {
        var tags = new TagList { { SystemTag, SystemName }, { BackendTag, backend }, { OperationNameTag, operation }, { DestinationTag, destination } };
        if (error is not null)
        {
            tags.Add(ErrorTag, error.GetType().FullName);
        }

        return tags;
    }

    private static void Fail(Activity activity, Exception? error)
    {
        if (error is not null)
        {
            activity.SetTag(ErrorTag, error.GetType().FullName);
            activity.SetStatus(ActivityStatusCode.Error, error.Message);
        }
    }
}
