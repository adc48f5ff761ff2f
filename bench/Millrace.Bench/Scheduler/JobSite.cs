using Millrace.Client;
using Millrace.Scheduling;

namespace Millrace.Bench.Scheduler;

/// <summary>A client with a worker of one job that calls back.</summary>
internal sealed class JobSite : IAsyncDisposable
{
    // Many short jobs: the next ones are there when one has run.
    private const int Prefetch = 2_000;

    private readonly MillraceClient _client;
    private readonly JobWorker _worker;

    private JobSite(MillraceClient client, JobWorker worker) => (_client, _worker) = (client, worker);

    public JobClient Jobs => _client.Jobs;

    /// <summary>Opens a store, and runs each job by calling <paramref name="onRun"/> with its number.</summary>
    public static async Task<JobSite> OpenAsync(string url, int concurrency, Action<int> onRun, CancellationToken cancellationToken)
    {
        var client = await MillraceClient.OpenAsync(
            url,
            options =>
            {
                options.UseJson(NumberedJobJson.Default);
                options.Jobs.Add<NumberedJob>((job, _, _) =>
                {
                    onRun(job.Number);
                    return Task.CompletedTask;
                });
            },
            cancellationToken);
        var worker = client.JobWorker(new JobWorkerOptions { Concurrency = concurrency, Prefetch = Prefetch });
        await worker.StartAsync(cancellationToken);
        return new JobSite(client, worker);
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.DisposeAsync();
        await _client.DisposeAsync();
    }
}

/// <summary>The job.</summary>
[Job("numbered")]
internal sealed record NumberedJob(int Number);

[System.Text.Json.Serialization.JsonSerializable(typeof(NumberedJob))]
internal sealed partial class NumberedJobJson : System.Text.Json.Serialization.JsonSerializerContext;
