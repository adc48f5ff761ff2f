namespace Millrace.Pipeline;

/// <summary>Refuses a send of which any message is not valid, before anything of it is stored.</summary>
internal sealed class ValidateOnSend<T>(IMessageValidator<T>[] validators) : ISendMiddleware
{
    public Task InvokeAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken) =>
        validators.Length == 0 ? next(context, cancellationToken) : ValidateAsync(context, next, cancellationToken);

    private async Task ValidateAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken)
    {
        for (var i = 0; i < context.Messages.Count; i++)
        {
            var subject = context.Messages.Count == 1 ? typeof(T).Name : $"Message {i + 1} of {context.Messages.Count} ({typeof(T).Name})";
            await MessageCheck.RequireValidAsync(validators, ((OutgoingMessage<T>)context.Messages[i]).Message, subject, cancellationToken).ConfigureAwait(false);
        }

        await next(context, cancellationToken).ConfigureAwait(false);
    }
}
