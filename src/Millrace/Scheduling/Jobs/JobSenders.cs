using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Millrace.Scheduling.Jobs;

/// <summary>The senders of a client, one for each type of job and queue. Safe for concurrent use.</summary>
internal sealed class JobSenders(JobEnvironment environment, UniqueJobs uniques)
{
    private readonly ConcurrentDictionary<(Type Job, string Queue), object> _senders = [];

    public JobSender<TJob> Get<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(string queue) =>
        _senders.TryGetValue((typeof(TJob), queue), out var known)
            ? (JobSender<TJob>)known
            : (JobSender<TJob>)_senders.GetOrAdd((typeof(TJob), queue), new JobSender<TJob>(environment, this, uniques, queue));
}
