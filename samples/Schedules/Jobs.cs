using Millrace.Scheduling;

namespace Schedules;

/// <summary>A job that runs itself, every second.</summary>
[Job("tick")]
[Schedule("every 1s")]
internal sealed record Tick : IJob
{
    public Task RunAsync(JobContext context, CancellationToken cancellationToken)
    {
        Console.WriteLine($"tick of {context.DueAt:HH:mm:ss}");
        return Task.CompletedTask;
    }
}

/// <summary>The arguments of a job that is run by a class with services.</summary>
[Job("send-invoice")]
internal sealed record SendInvoice(string Order);

/// <summary>Sends invoices: one for each attempt, from a scope of the application's services.</summary>
internal sealed class InvoiceSender(TimeProvider clock) : IJobHandler<SendInvoice>
{
    public async Task RunAsync(SendInvoice job, JobContext context, CancellationToken cancellationToken)
    {
        await Task.Delay(TimeSpan.FromMilliseconds(100), clock, cancellationToken);
        Console.WriteLine($"invoice for {job.Order}, attempt {context.Attempt}");
        context.SetResult($"sent {job.Order}");
    }
}
