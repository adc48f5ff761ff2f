namespace Millrace.Server.Security.Users;

/// <summary>A user as the users file has it. Immutable.</summary>
internal sealed record UserEntry
{
    /// <summary>Exact in case.</summary>
    public required string Name { get; init; }

    /// <summary>Null: the user comes with keys only.</summary>
    public PasswordHash? Password { get; init; }

    public IReadOnlyList<BearerKey> Keys { get; init; } = [];

    /// <summary>Names of roles: <see cref="RoleEntry.Administrator"/>, or of the same file.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>Refused everywhere, and kept.</summary>
    public bool IsDisabled { get; init; }
}
