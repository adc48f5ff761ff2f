using Millrace.Client;
using Millrace.Configuration;
using Millrace.Scheduling;

namespace Millrace.Hosting;

/// <summary>What an application has said about one instance. Filled while services are registered, read when the host starts.</summary>
internal sealed class InstanceRegistration(string name, InstanceUrls urls)
{
    public string Name => name;

    public InstanceUrls Urls => urls;

    public bool IsDefault => name == InstanceUrls.DefaultInstance;

    /// <summary>Sets options of the client, in order.</summary>
    public List<Action<MillraceClientOptions, IServiceProvider>> Options { get; } = [];

    /// <summary>The queue of each type that has a <see cref="QueueClient{T}"/> in the services.</summary>
    public Dictionary<Type, string> SentTypes { get; } = [];

    /// <summary>Asks the open client for each sender that the services have, so that what cannot work fails when the host starts.</summary>
    public List<Action<MillraceClient>> Preparations { get; } = [];

    /// <summary>The workers of jobs that were asked for; the default one when there are none, but jobs.</summary>
    public List<JobWorkerOptions> JobWorkers { get; } = [];

    /// <summary>Whether a job was registered.</summary>
    public bool HasJobs { get; set; }

    /// <summary>How schedules are fired; null when they are not.</summary>
    public SchedulerOptions? Scheduler { get; set; }

    /// <summary>The schedules that the application's code defines, by name.</summary>
    public List<(string Name, Func<MillraceClient, ScheduleDefinition> Make)> Schedules { get; } = [];

    /// <summary>Makes the workers.</summary>
    public List<Func<MillraceClient, IMessageWorker>> Workers { get; } = [];
}
