using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Queues;
using Millrace.Tests.Client;
using Xunit;

namespace Millrace.Tests.Diagnostics;

/// <summary>Spans and metrics. Listeners hear the whole process, so each test looks at a queue of its own name, and none runs beside tests that look at headers.</summary>
[Collection(nameof(ListeningTests))]
public sealed class TelemetryTests
{
    private readonly string _queue = $"telemetry-{Guid.NewGuid():N}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Handling_ContinuesTheTraceOfItsSender()
    {
        var spans = new ConcurrentQueue<Activity>();
        var settled = new TaskCompletionSource();
        using var listener = Listen(activity =>
        {
            spans.Enqueue(activity);
            if (activity.OperationName == $"settle {_queue}")
            {
                settled.TrySetResult();
            }
        });
        await using var mill = await MillraceClient.OpenAsync("memory:", cancellationToken: Token);
        await using var worker = mill.Worker<Order>(_queue, (_, _, _) => Task.CompletedTask);
        await worker.StartAsync(Token);

        var sent = await mill.Queue<Order>(_queue).SendAsync(new Order("1"), cancellationToken: Token);
        await settled.Task.WaitAsync(Token);

        var send = spans.Single(span => span.OperationName == $"send {_queue}");
        var process = spans.Single(span => span.OperationName == $"process {_queue}");
        var settle = spans.Single(span => span.OperationName == $"settle {_queue}");
        Assert.Equal((ActivityKind.Producer, ActivityKind.Consumer, ActivityKind.Client), (send.Kind, process.Kind, settle.Kind));
        Assert.Equal((send.TraceId, send.SpanId), (process.TraceId, process.ParentSpanId));
        Assert.True(process.HasRemoteParent);
        foreach (var (span, operation) in new[] { (send, "send"), (process, "process"), (settle, "settle") })
        {
            Assert.Equal(
                ("millrace", operation, operation, _queue, "memory"),
                (span.GetTagItem("messaging.system"), span.GetTagItem("messaging.operation.name"), span.GetTagItem("messaging.operation.type"), span.GetTagItem("messaging.destination.name"), span.GetTagItem("millrace.backend")));
        }

        Assert.Equal(sent.Id.ToString(), send.GetTagItem("messaging.message.id"));
        Assert.Equal(sent.Id.ToString(), process.GetTagItem("messaging.message.id"));
    }

    [Fact]
    public async Task ABatch_IsOneSpan_AndAFailureIsRecorded()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = Listen(spans.Enqueue);
        await using var store = new RecordingStore();
        await using var mill = await MillraceClient.OpenAsync("recording:", options => options.Backends = store.Registry(), Token);
        var orders = mill.Queue<Order>(_queue);

        await orders.SendBatchAsync([new Order("1"), new Order("2")], cancellationToken: Token);
        store.Fault = new QueueFullException(_queue, "maxLength 2");
        await Assert.ThrowsAsync<QueueFullException>(async () => await orders.SendAsync(new Order("3"), cancellationToken: Token));

        var own = spans.Where(span => span.OperationName == $"send {_queue}").ToList();
        Assert.Equal((ActivityKind.Client, 2), (own[0].Kind, own[0].GetTagItem("messaging.batch.message_count")));
        Assert.Equal((ActivityStatusCode.Error, typeof(QueueFullException).FullName), (own[1].Status, own[1].GetTagItem("error.type")));
        Assert.All(store.Calls[0].Batch, envelope => Assert.Equal(own[0].Id, envelope.Headers!["traceparent"]));
    }

    [Fact]
    public async Task ATraceThatIsUnderWay_IsPassedOn_AlsoWhenNobodyListensToMillrace_AndASendersOwnIsKept()
    {
        await using var store = new RecordingStore();
        await using var mill = await MillraceClient.OpenAsync("recording:", options => options.Backends = store.Registry(), Token);
        using var activity = new Activity("request").SetIdFormat(ActivityIdFormat.W3C);
        activity.TraceStateString = "vendor=1";
        activity.Start();

        await mill.Queue<Order>(_queue).SendAsync(new Order("1"), cancellationToken: Token);
        await mill.Queue<Order>(_queue).SendAsync(new Order("1"), new SendOptions { Headers = MessageHeaders.Of(("traceparent", "mine")) }, Token);

        Assert.Equal(activity.Id, store.Calls[0].Batch[0].Headers!["traceparent"]);
        Assert.Equal("vendor=1", store.Calls[0].Batch[0].Headers!["tracestate"]);
        Assert.Equal("mine", store.Calls[1].Batch[0].Headers!["traceparent"]);
    }

    [Fact]
    public async Task Metrics_CountSendingHandlingRetriesAndDeadLetters()
    {
        var measured = new ConcurrentQueue<(string Instrument, double Value, string? Operation, string? Error)>();
        using var meters = new MeterListener();
        meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == MillraceDiagnostics.MeterName)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Keep(instrument, value, tags));
        meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Keep(instrument, value, tags));
        meters.Start();
        await using var mill = await MillraceClient.OpenAsync("memory:", cancellationToken: Token);
        var worker = mill.Worker<Order>(
            _queue,
            (_, context, _) => throw new InvalidOperationException($"attempt {context.Attempt}"),
            new QueueWorkerOptions { RetryPolicy = RetryPolicy.Fixed(TimeSpan.Zero).WithMaxAttempts(2) });
        await worker.StartAsync(Token);
        await mill.Queue<Order>(_queue).SendBatchAsync([new Order("1"), new Order("2")], cancellationToken: Token);

        // A dead letter is there when both attempts at it have been settled.
        var left = 2;
        var buried = new TaskCompletionSource();
        await using var mourner = mill.Worker<Order>($"{_queue}!dead", (_, _, _) =>
        {
            if (Interlocked.Decrement(ref left) == 0)
            {
                buried.SetResult();
            }

            return Task.CompletedTask;
        });
        await mourner.StartAsync(Token);
        await buried.Task.WaitAsync(Token);
        await worker.StopAsync(Token);

        Assert.Equal(2, Sum("messaging.client.sent.messages"));
        Assert.Equal(4, Sum("messaging.client.consumed.messages"));
        Assert.Equal(2, Sum("millrace.retries"));
        Assert.Equal(2, Sum("millrace.dead_letters"));
        Assert.Equal(4, measured.Count(measurement => measurement is { Instrument: "messaging.process.duration", Error: "System.InvalidOperationException" }));
        Assert.Single(measured, measurement => measurement is { Instrument: "messaging.client.operation.duration", Operation: "send", Error: null });
        Assert.Contains(measured, measurement => measurement is { Instrument: "messaging.client.operation.duration", Operation: "settle" });

        double Sum(string instrument) => measured.Where(measurement => measurement.Instrument == instrument).Sum(measurement => measurement.Value);

        void Keep(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var byName = tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value as string);
            if (byName["messaging.destination.name"] == _queue)
            {
                measured.Enqueue((instrument.Name, value, byName.GetValueOrDefault("messaging.operation.name"), byName.GetValueOrDefault("error.type")));
            }
        }
    }

    private ActivityListener Listen(Action<Activity> stopped)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == MillraceDiagnostics.ActivitySourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                if (activity.OperationName.EndsWith(_queue, StringComparison.Ordinal))
                {
                    stopped(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }
}

/// <summary>Tests that listen to the process.</summary>
[CollectionDefinition(nameof(ListeningTests), DisableParallelization = true)]
public sealed class ListeningTests;
