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
