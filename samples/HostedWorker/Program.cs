// A worker in a generic host: handler classes with injected services, retries, middleware, validation, drained on Ctrl+C.
//   dotnet run --project samples/HostedWorker
//   QUEUE__URL=file:./orders dotnet run --project samples/HostedWorker
using HostedWorker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Hosting;
using Millrace.Queues;

var builder = Host.CreateApplicationBuilder(args);
if (string.IsNullOrEmpty(builder.Configuration["QUEUE:URL"]))
{
    builder.Configuration.AddInMemoryCollection([new("QUEUE:URL", "memory:")]);
}

builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddSingleton<Stock>();
builder.Services.AddHostedService<OrderSource>();
builder.Services.AddMillrace(builder.Configuration, mill => mill
    .AddQueue<OrderPlaced>("orders")
    .AddHandler<OrderPlaced, OrderHandler>("orders", new QueueWorkerOptions
    {
        Concurrency = 4,
        AttemptTimeout = TimeSpan.FromSeconds(10),
        RetryPolicy = RetryPolicy.Exponential(TimeSpan.FromMilliseconds(200)).WithMaxAttempts(5).RetryExcept<OutOfStockException>(),
    })
    .OnHandle<TimingMiddleware>()
    .Configure(options => options.Compress(thresholdBytes: 4096)));

await builder.Build().RunAsync();
