using System.Text;

namespace Millrace;

/// <summary>One thing that is wrong with a message.</summary>
/// <param name="Member">The member that is wrong, such as <c>Quantity</c> or <c>Customer.Email</c>; empty when it is the message as a whole.</param>
/// <param name="Problem">What is wrong, as a sentence for people.</param>
public readonly record struct MessageProblem(string Member, string Problem)
{
    /// <summary><c>member: problem</c>.</summary>
    public override string ToString() => Member.Length == 0 ? Problem : $"{Member}: {Problem}";
}

/// <summary>
/// A message that breaks the rules of its type or queue. Thrown to a sender, whose batch is then not sent; on receipt, the message is
/// dead-lettered at once with the reason <see cref="DeadLetterReason"/>. The text has one line a problem.
/// </summary>
public sealed class MessageValidationException : InvalidMessageException
{
    /// <summary>The reason of dead letters that were not valid: <c>invalid</c>.</summary>
    public const string DeadLetterReason = "invalid";

    /// <summary>Says which message is not valid, and everything that is wrong with it.</summary>
    /// <param name="subject">What is not valid, such as <c>OrderPlaced</c> or <c>Message 3 of 10 (OrderPlaced)</c>.</param>
    /// <param name="problems">What is wrong; at least one.</param>
    public MessageValidationException(string subject, IReadOnlyList<MessageProblem> problems)
        : base(Describe(subject, problems))
        => Problems = problems;

    /// <summary>What is wrong, in the order in which it was found.</summary>
    public IReadOnlyList<MessageProblem> Problems { get; }

    private static string Describe(string subject, IReadOnlyList<MessageProblem> problems)
    {
        ArgumentException.ThrowIfNullOrEmpty(subject);
        ArgumentNullException.ThrowIfNull(problems);
        ArgumentOutOfRangeException.ThrowIfZero(problems.Count, nameof(problems));
        var text = new StringBuilder($"{subject} is not valid:");
        foreach (var problem in problems)
        {
            text.Append("\n  ").Append(problem.ToString());
        }

        return text.ToString();
    }
}
