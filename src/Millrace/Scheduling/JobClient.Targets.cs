using System.Diagnostics.CodeAnalysis;
using Millrace.Scheduling.Jobs;
using Millrace.Serialization;

namespace Millrace.Scheduling;

/// <content>Jobs as what schedules do.</content>
public sealed partial class JobClient
{
    /// <summary>A job as what a schedule does: its name, and its arguments as they are now.</summary>
    /// <typeparam name="TJob">The type of the job, which says its name.</typeparam>
    /// <param name="job">The job.</param>
    /// <exception cref="MessageSerializationException">The arguments cannot be written.</exception>
    public JobTarget TargetOf<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(TJob job)
    {
        ArgumentNullException.ThrowIfNull(job);
        _ = JobName<TJob>.Header;
        var (name, version) = JobName.Of(typeof(TJob));
        var serializer = _environment.Client.PipelineOf(ScheduleDefinition.DefaultQueue).SerializerFor(typeof(TJob));
        using var buffer = new PooledBuffer();
        try
        {
            serializer.Serialize(job, buffer);
        }
        catch (Exception exception) when (exception is not (MillraceException or OutOfMemoryException))
        {
            throw new MessageSerializationException($"The arguments of the job '{name}' cannot be written: {exception.Message}", serializer.ContentType, exception);
        }

        return new JobTarget { Job = name, Version = version, Arguments = buffer[..].ToArray(), ContentType = serializer.ContentType };
    }
}
