using Microsoft.Extensions.Logging;
using Millrace;

namespace HostedWorker;

/// <summary>Everything that the sample logs.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1, LogLevel.Information, "Order {Number}: {Quantity} × {Article} shipped, {Left} left (attempt {Attempt})")]
    public static partial void Shipped(this ILogger logger, string number, int quantity, string article, int left, int attempt);

    [LoggerMessage(2, LogLevel.Information, "Message {Id} took {Milliseconds:0.0} ms")]
    public static partial void Took(this ILogger logger, MessageId id, double milliseconds);

    [LoggerMessage(3, LogLevel.Information, "Not sent: {Problems}")]
    public static partial void Refused(this ILogger logger, string problems);
}
