namespace Millrace.App;

/// <summary>What the exit code says. Documented in docs/guide/cli.md and in <c>millrace --help</c>; scripts depend on it.</summary>
internal static class ExitCodes
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int NotFound = 3;
    public const int QueueFull = 4;
    public const int BadInput = 5;
    public const int Damaged = 6;
    public const int Nothing = 7;
    public const int ClosedOutput = 141;

    /// <summary>The table, as help shows it.</summary>
    public static readonly (int Code, string Meaning)[] Meanings =
    [
        (Done, "done"),
        (Failed, "failed: the store cannot be reached or written, or does not allow it, or a file cannot be read"),
        (Usage, "wrong usage: a command, option, URL, name or setting"),
        (NotFound, "not found: the queue, the stream, the schedule, the message, the connection, or what a user command names"),
        (QueueFull, "the queue is full; nothing of the batch was stored"),
        (BadInput, "bad input: a message is malformed or over a limit; nothing of its batch was stored"),
        (Damaged, "the stored data is damaged, of another program or of a newer version; nothing was changed"),
        (Nothing, "receive, stream tail: there was nothing, or nothing came in time"),
        (130, "ended by Ctrl-C (143: by SIGTERM; 141: the reader of the output closed it)"),
    ];

    public static int Of(MillraceException exception) => exception switch
    {
        QueueNotFoundException or StreamNotFoundException or MessageNotFoundException or GroupNotFoundException or UserEntryNotFoundException or ScheduleNotFoundException
            or ConnectionNotFoundException => NotFound,
        QueueFullException => QueueFull,
        InvalidMessageException => BadInput,
        StorageCorruptException => Damaged,
        MillraceConfigurationException or InvalidNameException => Usage,
        _ => Failed,
    };
}

/// <summary>Options that do not go together, or a value that cannot be.</summary>
internal sealed class UsageException(string message) : MillraceConfigurationException(message);

/// <summary>No message with the id that was given.</summary>
internal sealed class MessageNotFoundException(string queue, MessageId id)
    : MillraceException($"There is no message '{id}' in '{queue}'.");

/// <summary>No consumer group with the name that was given.</summary>
internal sealed class GroupNotFoundException(string stream, string group)
    : MillraceException($"Stream '{stream}' has no group '{group}'.");

/// <summary>No schedule with the name that was given.</summary>
internal sealed class ScheduleNotFoundException(string schedule)
    : MillraceException($"There is no schedule '{schedule}'.");

/// <summary>No STOMP connection with the id that was given, or no STOMP at all.</summary>
internal sealed class ConnectionNotFoundException(string message) : MillraceException(message);

/// <summary>No user, key or role with the name that was given.</summary>
internal sealed class UserEntryNotFoundException(string message) : MillraceException(message);
