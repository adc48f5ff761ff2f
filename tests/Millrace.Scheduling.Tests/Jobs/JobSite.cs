using Millrace.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>A client on a backend of its own, with what the tests ask of it.</summary>
internal sealed class JobSite : IAsyncDisposable
{
    private readonly string? _folder;

    private JobSite(MillraceClient mill, string? folder) => (Mill, _folder) = (mill, folder);

    public MillraceClient Mill { get; }

    public JobClient Jobs => Mill.Jobs;

    public IQueueAdmin Admin => Mill.Require<IQueueAdmin>();

    public IStateStore State => Mill.Require<IStateStore>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Opens one on memory, files or SQLite.</summary>
    public static async Task<JobSite> OpenAsync(string backend = "memory", Action<MillraceClientOptions>? configure = null)
    {
        var folder = backend == "memory" ? null : Directory.CreateTempSubdirectory("millrace-jobs-").FullName;
        var url = backend switch
        {
            "memory" => "memory:",
            "file" => $"file:{folder}",
            _ => $"sqlite:{Path.Combine(folder!, "jobs.db")}",
        };
        return new JobSite(await MillraceClient.OpenAsync(url, options => ConfigureFor(backend, options, configure), Token), folder);
    }

    public async Task<JobWorker> StartAsync(JobWorkerOptions? options = null)
    {
        var worker = Mill.JobWorker(options);
        await worker.StartAsync(Token);
        return worker;
    }

    /// <summary>Waits until a tracked job is as wanted.</summary>
    public async Task<JobInfo> WaitForAsync(MessageId id, Func<JobInfo, bool> wanted)
    {
        while (true)
        {
            var revision = (await State.ListAsync("!job!", null, 1, Token)).Revision;
            if (await Jobs.GetAsync(id, cancellationToken: Token) is { } job && wanted(job))
            {
                return job;
            }

            await State.WaitForChangeAsync("!job!", revision, Token);
        }
    }

    /// <summary>Waits until the history has so many runs, and returns them, the newest first.</summary>
    public async Task<IReadOnlyList<RunRecord>> WaitForRunsAsync(int count)
    {
        var partition = await Jobs.Environment.Runs.OpenAsync(Token);
        await partition.WaitForAsync(count - 1, Token);
        return (await Jobs.History.ListAsync(new RunQuery { Limit = 1000 }, Token)).Runs;
    }

    public async ValueTask DisposeAsync()
    {
        await Mill.DisposeAsync();
        if (_folder is not null)
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private static void ConfigureFor(string backend, MillraceClientOptions options, Action<MillraceClientOptions>? configure)
    {
        if (backend == "sqlite")
        {
            // SQLite has no streams: the history is kept elsewhere.
            options.StreamUrl = "memory:";
        }

        configure?.Invoke(options);
    }
}
