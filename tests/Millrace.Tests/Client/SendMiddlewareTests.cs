using System.Text;
using Millrace.Client;
using Xunit;

namespace Millrace.Tests.Client;

public sealed class SendMiddlewareTests : IAsyncDisposable
{
    private readonly RecordingStore _store = new();
    private readonly List<string> _log = [];

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Steps_RunInOrder_ClientBeforeQueue_AroundTheStore()
    {
        await using var mill = await OpenAsync(options =>
        {
            Log(options, "first");
            options.ForQueue("orders", queue => Log(queue, "queue"));
            Log(options, "second");
        });

        await mill.Queue<Order>("orders").SendAsync(new Order("1"), cancellationToken: Token);
        await mill.Queue<Order>("other").SendAsync(new Order("1"), cancellationToken: Token);

        Assert.Equal(
            ["first>0", "second>0", "queue>0", "queue<1", "second<1", "first<1", "first>1", "second>1", "second<2", "first<2"],
            _log);
    }

    [Fact]
    public async Task AStep_MayAddHeadersAndReplaceTheMessage()
    {
        await using var mill = await OpenAsync(options => options.OnSend(async (context, next, token) =>
        {
            foreach (var message in context.Messages)
            {
                message.Headers = message.Headers.With("sent-by", "test");
                message.Body = (Order)message.Body with { Quantity = 7 };
                message.Priority = 8;
            }

            await next(context, token);
        }));

        await mill.Queue<Order>("orders").SendAsync(new Order("1"), cancellationToken: Token);

        Assert.Equal("test", _store.Single.Headers!["sent-by"]);
        Assert.Equal(8, _store.Single.Priority);
        Assert.Equal("""{"number":"1","quantity":7}""", Encoding.UTF8.GetString(_store.Single.Body.Span));
    }

    [Fact]
    public async Task AReplacementOfAnotherType_IsRefused()
    {
        await using var mill = await OpenAsync(options => options.OnSend((context, next, token) =>
        {
            context.Messages[0].Body = "no order";
            return next(context, token);
        }));

        var fault = await Assert.ThrowsAsync<ArgumentException>(async () => await mill.Queue<Order>("orders").SendAsync(new Order("1"), cancellationToken: Token));

        Assert.Contains("Order", fault.Message, StringComparison.Ordinal);
        Assert.Empty(_store.Calls);
    }

    [Fact]
    public async Task ASuppressedMessage_IsNotStored_AndTheResultSaysSo()
    {
        await using var mill = await OpenAsync(options => options.OnSend((context, next, token) =>
        {
            context.Messages.First(message => ((Order)message.Body).Number == "2").Suppress();
            return next(context, token);
        }));

        var results = await mill.Queue<Order>("orders").SendBatchAsync([new Order("1"), new Order("2"), new Order("3")], cancellationToken: Token);

        Assert.Equal([SendOutcome.Stored, SendOutcome.Suppressed, SendOutcome.Stored], results.Select(result => result.Outcome));
        Assert.Equal(2, Assert.Single(_store.Calls).Batch.Length);
    }

    [Fact]
    public async Task AStepThatDoesNotGoOn_SuppressesTheSend()
    {
        await using var mill = await OpenAsync(options => options.OnSend((_, _, _) => Task.CompletedTask));

        var result = await mill.Queue<Order>("orders").SendAsync(new Order("1"), new SendOptions { Id = "x" }, Token);

        Assert.Equal(new SendResult("x", SendOutcome.Suppressed), result);
        Assert.Empty(_store.Calls);
    }

    [Fact]
    public async Task AStep_SeesTheOutcome_AndTheFault()
    {
        await using var mill = await OpenAsync(options => options.OnSend(async (context, next, token) =>
        {
            try
            {
                await next(context, token);
                _log.Add(context.Messages[0].Result!.Value.Outcome.ToString());
            }
            catch (QueueFullException exception)
            {
                _log.Add(exception.Queue);
                throw;
            }
        }));
        var orders = mill.Queue<Order>("orders");

        await orders.SendAsync(new Order("1"), cancellationToken: Token);
        _store.Fault = new QueueFullException("orders", "maxLength 1");
        await Assert.ThrowsAsync<QueueFullException>(async () => await orders.SendAsync(new Order("2"), cancellationToken: Token));

        Assert.Equal(["Stored", "orders"], _log);
    }

    private void Log(Millrace.Pipeline.PipelineOptions options, string name) => options.OnSend(async (context, next, token) =>
    {
        _log.Add($"{name}>{_store.Calls.Count}");
        await next(context, token);
        _log.Add($"{name}<{_store.Calls.Count}");
    });

    private ValueTask<MillraceClient> OpenAsync(Action<MillraceClientOptions> configure) =>
        MillraceClient.OpenAsync("recording:", options =>
        {
            options.Backends = _store.Registry();
            configure(options);
        }, Token);
}
