namespace Millrace.Pipeline;

/// <summary>Asks all validators about one message.</summary>
internal static class MessageCheck
{
    /// <summary>Throws with everything that all of the validators find.</summary>
    /// <exception cref="MessageValidationException">Something is wrong.</exception>
    public static async ValueTask RequireValidAsync<T>(IMessageValidator<T>[] validators, T message, string subject, CancellationToken cancellationToken)
    {
        IReadOnlyList<MessageProblem> problems = [];
        foreach (var validator in validators)
        {
            var found = await validator.ValidateAsync(message, cancellationToken).ConfigureAwait(false);
            problems = problems.Count == 0 ? found : [.. problems, .. found];
        }

        if (problems.Count > 0)
        {
            throw new MessageValidationException(subject, problems);
        }
    }
}
