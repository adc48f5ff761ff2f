namespace Millrace.Pipeline;

/// <summary>Checks messages of one type, when they are sent and again when they are received. Safe for concurrent use.</summary>
/// <typeparam name="T">The type of the messages.</typeparam>
public interface IMessageValidator<in T>
{
    /// <summary>Checks a message.</summary>
    /// <returns>What is wrong with it; empty when nothing is.</returns>
    ValueTask<IReadOnlyList<MessageProblem>> ValidateAsync(T message, CancellationToken cancellationToken);
}
