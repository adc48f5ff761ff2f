namespace Millrace.Pipeline;

/// <summary>A validator written as a lambda that yields problems.</summary>
internal sealed class DelegateValidator<T>(Func<T, IEnumerable<MessageProblem>> check) : IMessageValidator<T>
{
    public ValueTask<IReadOnlyList<MessageProblem>> ValidateAsync(T message, CancellationToken cancellationToken) => new([.. check(message)]);
}
