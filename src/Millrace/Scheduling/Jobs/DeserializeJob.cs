using Millrace.Pipeline;

namespace Millrace.Scheduling.Jobs;

/// <summary>Turns bytes into a job, by the type that the job's name stands for.</summary>
internal sealed class DeserializeJob : IHandleMiddleware
{
    public Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken)
    {
        var job = context.Job!.Bound;
        context.BodyType = job.Type.ArgumentsType;
        return job.Reading.InvokeAsync(context, next, cancellationToken);
    }
}
