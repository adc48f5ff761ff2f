using Millrace.Pipeline;

namespace Millrace.Scheduling.Jobs;

/// <summary>Fails a run whose arguments are not valid, before middleware and job see them.</summary>
internal sealed class ValidateJob : IHandleMiddleware
{
    public Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken) =>
        context.Job!.Bound.Validation.InvokeAsync(context, next, cancellationToken);
}
