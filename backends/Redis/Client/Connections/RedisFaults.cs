using System.Globalization;

namespace Millrace.Redis.Client.Connections;

/// <summary>The faults of the client, in words for people. None holds arguments of commands, which may be secret.</summary>
internal static class RedisFaults
{
    public static RedisServerException Answered(RedisReply error, RedisConnection connection) => new(error.ToText()!, connection.Address.ToString(), connection.User);

    /// <summary>The error is the answer to a repeat; what became of the attempt before, it does not say.</summary>
    public static MillraceException AnsweredToARepeat(RedisServerException answered)
    {
        return answered.IsTransient ? Uncertain(answered) : answered;
    }

    /// <summary>A fault after an attempt whose reply was lost.</summary>
    public static BackendUnavailableException Uncertain(MillraceException fault) => new($"{fault.Message} An earlier attempt may have been applied.", mayHaveBeenApplied: true, fault);

    public static BackendUnavailableException Cut(RedisConnection connection, bool mayHaveBeenApplied) => new(
        $"The connection to Redis at {connection.Address} has ended: {Words(connection.End)}. "
        + (mayHaveBeenApplied ? "The command may have been applied." : "The command was not sent."),
        mayHaveBeenApplied,
        connection.End);

    /// <summary>
    /// The fault of what is asked before a command is sent, such as who the client is: whatever became of that, the command was not sent.
    /// </summary>
    public static BackendUnavailableException Unprepared(string server, BackendUnavailableException fault) => new(
        fault.InnerException is { } end
            ? $"The connection to Redis at {server} has ended while it was being made: {Words(end)}. The command was not sent."
            : $"Redis at {server} has taken the connection, and has not answered in time. The command was not sent.",
        mayHaveBeenApplied: false,
        fault);

    public static BackendUnavailableException Late(RedisConnection connection, TimeSpan timeout) => new(
        string.Create(CultureInfo.InvariantCulture, $"Redis at {connection.Address} has not answered within {timeout.TotalMilliseconds:0} ms. The command may have been applied."),
        mayHaveBeenApplied: true);

    public static BackendUnavailableException Full(RedisConnection connection, TimeSpan timeout) => new(
        string.Create(CultureInfo.InvariantCulture, $"Too many commands wait for Redis at {connection.Address}: there was no room within {timeout.TotalMilliseconds:0} ms. The command was not sent."));

    public static BackendUnavailableException Unreachable(string target, TimeSpan timeout, Exception? last) => new(
        string.Create(CultureInfo.InvariantCulture, $"There was no connection to Redis at {target} within {timeout.TotalMilliseconds:0} ms: {Words(last)}. The command was not sent."),
        mayHaveBeenApplied: false,
        last);

    /// <summary>The connection ended before the server had said who it is: as a rule one of the two speaks TLS and the other does not.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="tls">How it was encrypted; null for not.</param>
    public static BackendUnavailableException EndedAtOnce(RedisConnection connection, RedisTls? tls) => new(
        $"Redis at {connection.Address} has ended the connection before it said anything: {Words(connection.End?.GetBaseException())}. "
        + tls switch
        {
            null => "If it speaks TLS on this port, the URL must begin with rediss:.",
            { Certificate: null } => "It may want a certificate of the client (options 'cert' and 'key', or 'pfx').",
            _ => "It may not accept the client's certificate.",
        },
        mayHaveBeenApplied: false,
        connection.End);

    /// <summary>What a fault says, to stand in a sentence.</summary>
    public static string Words(Exception? fault) => fault?.Message.TrimEnd('.', ' ') ?? "it is still being made";
}
