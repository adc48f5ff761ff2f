using Millrace.Scheduling;

namespace Schedules;

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
