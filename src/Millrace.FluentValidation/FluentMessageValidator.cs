using FluentValidation;
using Millrace.Pipeline;

namespace Millrace.FluentValidation;

/// <summary>Checks messages with a validator of FluentValidation, asynchronous rules included. Safe for concurrent use, as those validators are.</summary>
/// <typeparam name="T">The type of the messages.</typeparam>
/// <param name="validator">The validator. Failures of severity <see cref="Severity.Error"/> count; warnings and infos do not.</param>
public sealed class FluentMessageValidator<T>(IValidator<T> validator) : IMessageValidator<T>
{
    private readonly IValidator<T> _validator = validator ?? throw new ArgumentNullException(nameof(validator));

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<MessageProblem>> ValidateAsync(T message, CancellationToken cancellationToken)
    {
        var result = await _validator.ValidateAsync(message, cancellationToken).ConfigureAwait(false);
        return result.IsValid
            ? []
            : [.. result.Errors.Where(failure => failure.Severity == Severity.Error).Select(failure => new MessageProblem(failure.PropertyName ?? "", failure.ErrorMessage))];
    }
}
