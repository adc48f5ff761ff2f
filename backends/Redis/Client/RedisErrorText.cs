namespace Millrace.Redis.Client;

/// <summary>Says for people what the errors of a server mean, and what can be done about them.</summary>
internal static class RedisErrorText
{
    // What a script answers whose user may not run one of its commands; its code is only ERR.
    private const string RefusedInScript = "The user executing the script can't";

    /// <summary>The first word of an error.</summary>
    public static string CodeOf(string? error) => error?.Split(' ')[0] ?? "";

    /// <summary>What happened, at which server, what to do, and what the server itself said.</summary>
    /// <param name="error">The error as the server sent it.</param>
    /// <param name="server">The server; null where it is not known.</param>
    /// <param name="user">Who the client is to it.</param>
    public static string Explain(string error, string? server, string? user)
    {
        var where = server is null ? "Redis" : $"Redis at {server}";
        var meaning = CodeOf(error) switch
        {
            "OOM" => "has no memory left for what is new: work off or purge what is there, or raise its maxmemory",
            "READONLY" => "is a replica, which takes no writes: name its primary in the URL, or its sentinels by redis+sentinel:",
            "NOREPLICAS" => "takes no writes, because it has fewer replicas than its min-replicas-to-write asks for: bring them back, or lower that setting",
            "MISCONF" => "takes no writes, because it could not save what it has: see to its disk, or to what its log says of it",
            "LOADING" => "has just started and is still loading what it has saved: try again later",
            "BUSY" => "is busy with somebody's script that takes too long: wait for it, or end it with SCRIPT KILL",
            "CLUSTERDOWN" => "belongs to a Cluster of which a part has no primary: see 'redis-cli --cluster check'",
            "MASTERDOWN" => "is a replica that has lost its primary: bring that back",
            "TRYAGAIN" => "has only a part of the keys, because their slot is being moved: try again later",
            "WRONGPASS" => $"refuses the user '{user}': the name or the password in the URL is wrong, or the user is off",
            "NOAUTH" => "wants a login: write redis://:password@host or redis://user:password@host",
            "NOPERM" => Refusal(user),
            _ when error.Contains(RefusedInScript, StringComparison.Ordinal) => Refusal(user),
            _ => null,
        };
        return meaning is null ? $"{where} answered with an error: {error}" : $"{where} {meaning}. It says: {error}";
    }

    private static string Refusal(string? user) => $"does not let the user '{user ?? "default"}' do this: give it the right by ACL SETUSER, as the guide to Redis lists them";
}
