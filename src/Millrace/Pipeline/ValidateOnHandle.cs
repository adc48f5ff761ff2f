namespace Millrace.Pipeline;

/// <summary>Fails an attempt whose message is not valid, before middleware and handler see it.</summary>
internal sealed class ValidateOnHandle<T>(IMessageValidator<T>[] validators) : IHandleMiddleware
{
    public Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken)
    {
        if (validators.Length > 0)
        {
            return ValidateAsync(context, next, cancellationToken);
        }

        context.IsAccepted = true;
        return next(context, cancellationToken);
    }

    private async Task ValidateAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken)
    {
        await MessageCheck.RequireValidAsync(validators, (T)context.Body, typeof(T).Name, cancellationToken).ConfigureAwait(false);
        context.IsAccepted = true;
        await next(context, cancellationToken).ConfigureAwait(false);
    }
}
