using System.Threading.Channels;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Client;
using Millrace.Hosting;
using Millrace.Pipeline;
using Millrace.Queues;
using Millrace.Storage;
using Millrace.Tests.Client;
using Xunit;

namespace Millrace.Tests.Hosting;

public sealed class HostingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AHost_RunsHandlersFromScopes_WithMiddlewareAndValidatorsFromItsServices()
    {
        using var host = Build(services => services
            .AddSingleton<Log>()
            .AddScoped<ScopeName>()
            .AddMillrace("memory:", mill => mill
                .AddQueue<Order>("orders")
                .AddHandler<Order, LoggingHandler>("orders", new QueueWorkerOptions { Concurrency = 1 })
                .OnSend<StampingMiddleware>()
                .OnHandle<LoggingMiddleware>()
                .AddValidator<Order, NumberValidator>()));
        await host.StartAsync(Token);
        var orders = host.Services.GetRequiredService<QueueClient<Order>>();

        await orders.SendAsync(new Order("1"), cancellationToken: Token);
        await orders.SendAsync(new Order("2"), cancellationToken: Token);
        var refusal = await Assert.ThrowsAsync<MessageValidationException>(async () => await orders.SendAsync(new Order("no"), cancellationToken: Token));

        var log = host.Services.GetRequiredService<Log>().Lines.Reader;
        var first = (await log.ReadAsync(Token), await log.ReadAsync(Token));
        var second = (await log.ReadAsync(Token), await log.ReadAsync(Token));
        await host.StopAsync(Token);
        Assert.Equal("Order is not valid:\n  Number: must be a number", refusal.Message);

        // Middleware and handler of one attempt share a scope; two attempts do not.
        Assert.Equal(("middleware", "1", "stamped"), (first.Item1.Who, first.Item2.Number, first.Item2.Stamp));
        Assert.Equal(first.Item1.Scope, first.Item2.Scope);
        Assert.Equal(("middleware", "2"), (second.Item1.Who, second.Item2.Number));
        Assert.NotEqual(first.Item1.Scope, second.Item1.Scope);
    }

    [Fact]
    public async Task StoppingTheHost_LetsARunningHandlerEnd()
    {
        var (started, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        var cancelled = true;
        using var host = Build(services => services.AddMillrace("memory:", mill => mill.AddQueue<Order>("orders").AddHandler<Order>("orders", async (_, _, token) =>
        {
            started.SetResult();
            await release.Task;
            cancelled = token.IsCancellationRequested;
        })));
        await host.StartAsync(Token);
        await host.Services.GetRequiredService<QueueClient<Order>>().SendAsync(new Order("1"), cancellationToken: Token);
        await started.Task.WaitAsync(Token);

        var stopping = host.StopAsync(Token);
        Assert.False(stopping.IsCompleted);
        release.SetResult();
        await stopping;

        Assert.False(cancelled);
        Assert.Equal(0, (await host.Services.GetRequiredService<MillraceClient>().Require<IQueueAdmin>().GetStatsAsync("orders", Token)).Ready);
    }

    [Fact]
    public async Task Instances_ComeFromConfiguration_KeyedByTheirNames()
    {
        using var host = Build((configuration, services) =>
        {
            configuration.AddInMemoryCollection([new("QUEUE:URL", "memory:"), new("Queue:Audit:Url", "memory:"), new("MQ:AUDIT:AUTOCREATE", "false")]);
            services.AddMillrace(configuration, mill => mill
                .AddQueue<Order>("orders")
                .ForInstance("Audit", audit => audit.Configure(options => options.Compress(1))));
        });
        await host.StartAsync(Token);

        var main = host.Services.GetRequiredService<MillraceClient>();
        var audit = host.Services.GetRequiredKeyedService<MillraceClient>("audit");
        Assert.Equal(("default", "audit"), (main.Instance, audit.Instance));
        Assert.Same(main, host.Services.GetRequiredKeyedService<MillraceClient>("default"));
        Assert.True((await main.Queue<Order>("orders").SendAsync(new Order("1"), cancellationToken: Token)).IsStored);
        await Assert.ThrowsAsync<QueueNotFoundException>(async () => await audit.Queue<Order>("orders").SendAsync(new Order("1"), cancellationToken: Token));
        Assert.True((await audit.Health.ProbeAsync(Token)).IsHealthy);
        await host.StopAsync(Token);
    }

    [Fact]
    public async Task AnUnknownOption_StopsTheHostFromStarting_AndNamesItsKey()
    {
        using var host = Build((configuration, services) =>
        {
            configuration.AddInMemoryCollection([new("QUEUE:ORDERS:URL", "memory:"), new("QUEUE:ORDERS:AUTO_CRATE", "false")]);
            services.AddMillrace(configuration);
        });

        var refusal = await Assert.ThrowsAsync<MillraceConfigurationException>(() => host.StartAsync(Token));

        Assert.Contains("'autocrate'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Did you mean 'autocreate'?", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Instance 'orders', configured by QUEUE__ORDERS__AUTO_CRATE, QUEUE__ORDERS__URL", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APolicyBeyondMaxDeliveries_StopsTheHostFromStarting()
    {
        using var host = Build(services => services.AddMillrace("memory:", mill => mill.AddHandler<Order>(
            "orders", (_, _, _) => Task.CompletedTask, new QueueWorkerOptions { RetryPolicy = RetryPolicy.Default.WithMaxAttempts(11) })));

        var refusal = await Assert.ThrowsAsync<MillraceConfigurationException>(() => host.StartAsync(Token));

        Assert.Contains("11 attempts", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nosuch:")]
    [InlineData("memory:?nosuch=1")]
    public async Task AUrlThatCannotWork_StopsTheHostFromStarting(string url)
    {
        using var host = Build(services => services.AddMillrace(url));

        var refusal = await Assert.ThrowsAsync<MillraceConfigurationException>(() => host.StartAsync(Token));

        Assert.Contains("nosuch", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AShapeThatTheBackendLacks_StopsTheHostFromStarting()
    {
        var store = new RecordingStore();
        using var host = Build(services => services.AddMillrace("recording:", mill => mill.Configure(options =>
        {
            options.Backends = store.Registry();
            options.LockUrl = "recording:";
        })));

        var refusal = await Assert.ThrowsAsync<BackendCapabilityException>(() => host.StartAsync(Token));

        Assert.Equal(("recording", "lock"), (refusal.Backend, refusal.Capability));
        await store.DisposeAsync();
    }

    [Fact]
    public async Task AWorkerThatMeetsAFatalFault_StopsTheHost()
    {
        var fault = new TaskCompletionSource();
        await using var store = new RecordingStore { LeaseFault = fault.Task };
        using var host = Build(services => services.AddMillrace("recording:", mill => mill
            .Configure(options => options.Backends = store.Registry())
            .AddHandler<Order>("orders", (_, _, _) => Task.CompletedTask)));
        await host.StartAsync(Token);
        var stopping = new TaskCompletionSource();
        using var registration = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(stopping.SetResult);

        fault.SetException(new StorageCorruptException("The page is damaged."));

        await stopping.Task.WaitAsync(Token);
        await host.StopAsync(Token);
    }

    [Fact]
    public void RegistrationsThatContradict_AreRefused()
    {
        var services = new ServiceCollection().AddMillrace("memory:", mill => mill.AddQueue<Order>("orders"));
        var empty = new ConfigurationBuilder().Build();
        var named = new ConfigurationBuilder().AddInMemoryCollection([new("QUEUE:ORDERS:URL", "memory:")]).Build();

        Assert.Contains("another URL", Refusal(() => services.AddMillrace("memory:?autocreate=false")), StringComparison.Ordinal);
        Assert.Contains("already go to the queue 'orders'", Refusal(() => services.AddMillrace("memory:", mill => mill.AddQueue<Order>("other"))), StringComparison.Ordinal);
        Assert.Contains("no instance 'audit'. Configured are default", Refusal(() => services.AddMillrace("memory:", mill => mill.ForInstance("audit", _ => { }))), StringComparison.Ordinal);
        Assert.Contains("set QUEUE__URL", Refusal(() => new ServiceCollection().AddMillrace(empty)), StringComparison.Ordinal);
        Assert.Contains(
            "no instance 'default'. Configured are orders",
            Refusal(() => new ServiceCollection().AddMillrace(named, mill => mill.AddQueue<Order>("orders"))),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutAHost_TheInstanceIsOpenedByHand()
    {
        await using var services = new ServiceCollection().AddMillrace("memory:", mill => mill.AddQueue<Order>("orders")).BuildServiceProvider();
        var orders = services.GetRequiredService<QueueClient<Order>>();

        var refusal = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await orders.SendAsync(new Order("1"), cancellationToken: Token));
        await services.OpenMillraceAsync(Token);

        Assert.Contains("OpenMillraceAsync", refusal.Message, StringComparison.Ordinal);
        Assert.True((await orders.SendAsync(new Order("1"), cancellationToken: Token)).IsStored);
    }

    private static string Refusal(Action act) => Assert.Throws<MillraceConfigurationException>(act).Message;

    private static IHost Build(Action<IServiceCollection> configure) => Build((_, services) => configure(services));

    private static IHost Build(Action<IConfigurationManager, IServiceCollection> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        configure(builder.Configuration, builder.Services);
        return builder.Build();
    }

    private sealed record Line(string Who, string? Number, string? Stamp, Guid Scope);

    private sealed class Log
    {
        public Channel<Line> Lines { get; } = Channel.CreateUnbounded<Line>();
    }

    private sealed class ScopeName
    {
        public Guid Value { get; } = Guid.NewGuid();
    }

    private sealed class LoggingHandler(Log log, ScopeName scope) : IMessageHandler<Order>
    {
        public Task HandleAsync(Order message, MessageContext context, CancellationToken cancellationToken) =>
            log.Lines.Writer.WriteAsync(new Line("handler", message.Number, context.Headers["stamp"], scope.Value), cancellationToken).AsTask();
    }

    private sealed class LoggingMiddleware(Log log, ScopeName scope) : IHandleMiddleware
    {
        public async Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken)
        {
            await log.Lines.Writer.WriteAsync(new Line("middleware", null, null, scope.Value), cancellationToken);
            await next(context, cancellationToken);
        }
    }

    private sealed class StampingMiddleware : ISendMiddleware
    {
        public Task InvokeAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken)
        {
            foreach (var message in context.Messages)
            {
                message.Headers = message.Headers.With("stamp", "stamped");
            }

            return next(context, cancellationToken);
        }
    }

    private sealed class NumberValidator : IMessageValidator<Order>
    {
        public ValueTask<IReadOnlyList<MessageProblem>> ValidateAsync(Order message, CancellationToken cancellationToken) =>
            new(message.Number.All(char.IsAsciiDigit) ? [] : [new MessageProblem("Number", "must be a number")]);
    }
}
