using System.Diagnostics.CodeAnalysis;
using Millrace.Pipeline;

namespace Millrace.Scheduling.Jobs;

/// <summary>A job that a worker can run: its name, the type of its arguments, and what runs it. Safe for concurrent use.</summary>
internal abstract class JobType(string name, int version, Type argumentsType, JobTypeOptions options)
{
    public string Name => name;

    public int Version => version;

    /// <summary>The value of the header that names it.</summary>
    public string Header { get; } = JobMessage.JobHeaderOf(name, version);

    public Type ArgumentsType => argumentsType;

    public JobTypeOptions Options => options;

    /// <summary>The step that reads its arguments.</summary>
    public abstract IHandleMiddleware Reading(PipelineSettings settings);

    /// <summary>The step that validates its arguments.</summary>
    public abstract IHandleMiddleware Validation(PipelineSettings settings);

    public abstract Task RunAsync(object job, JobContext context, CancellationToken cancellationToken);
}

/// <summary>A job whose arguments are a <typeparamref name="TJob"/>.</summary>
internal sealed class JobType<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
    string name, int version, JobTypeOptions options, Func<TJob, JobContext, CancellationToken, Task> run) : JobType(name, version, typeof(TJob), options)
{
    public override IHandleMiddleware Reading(PipelineSettings settings) => new DeserializeOnHandle<TJob>(settings.Serializers, settings.SerializerFor(typeof(TJob)));

    public override IHandleMiddleware Validation(PipelineSettings settings) => new ValidateOnHandle<TJob>(settings.ValidatorsFor<TJob>());

    public override Task RunAsync(object job, JobContext context, CancellationToken cancellationToken) => run((TJob)job, context, cancellationToken);
}
