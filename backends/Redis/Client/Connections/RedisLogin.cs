namespace Millrace.Redis.Client.Connections;

/// <summary>Who a client is to a server.</summary>
/// <param name="UserName">The user; null for the one named <c>default</c>.</param>
/// <param name="Password">The password; null for no login.</param>
internal sealed record RedisLogin(string? UserName, string? Password)
{
    /// <summary>The user of whoever names none.</summary>
    public const string DefaultName = "default";

    public string NameOrDefault => UserName ?? DefaultName;

    /// <summary>Without the password.</summary>
    public override string ToString() => NameOrDefault;
}
