// Schedules and jobs in a generic host. Start it several times over one store: each tick runs once.
//   dotnet run --project samples/Schedules
//   QUEUE__URL=sqlite:./ticks.db dotnet run --project samples/Schedules
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Millrace.Hosting;
using Millrace.Scheduling;
using Schedules;

var builder = Host.CreateApplicationBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
if (string.IsNullOrEmpty(builder.Configuration["QUEUE:URL"]))
{
    builder.Configuration.AddInMemoryCollection([new("QUEUE:URL", "file:./ticks")]);
}

builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddMillrace(builder.Configuration, mill => mill
    .AddJob<Tick>()
    .AddJob<SendInvoice, InvoiceSender>(options => options.MaxConcurrent = 2)
    .AddSchedule("invoices", "*/2 * * * * *", new SendInvoice("A-1"), schedule => schedule with { Overlap = OverlapPolicy.BufferOne, Tags = ["billing"] }));

using var host = builder.Build();
await host.StartAsync();

// A job of its own, and one that follows it.
var jobs = host.Services.GetRequiredService<JobClient>();
await jobs.EnqueueAsync(new SendInvoice("A-2"), new JobOptions().Then(new SendInvoice("A-2, a copy")));
await host.WaitForShutdownAsync();
