namespace Millrace.Server.Security.Users;

/// <summary>What stands in a users file, checked. Immutable: changes are new documents.</summary>
internal sealed record UsersDocument(IReadOnlyList<UserEntry> Users, IReadOnlyList<RoleEntry> Roles)
{
    public static UsersDocument Empty { get; } = new([], []);

    public UserEntry? FindUser(string name) => Users.FirstOrDefault(user => user.Name == name);

    public RoleEntry? FindRole(string name) => Roles.FirstOrDefault(role => role.Name == name);

    /// <summary>The names that a user's roles may have.</summary>
    public IEnumerable<string> RoleNames => Roles.Select(role => role.Name).Prepend(RoleEntry.Administrator);

    /// <summary>With a user added, or put in the place of the one of this name.</summary>
    public UsersDocument With(UserEntry user) => this with { Users = Put(Users, user, other => other.Name == user.Name) };

    /// <summary>With a role added, or put in the place of the one of this name.</summary>
    public UsersDocument With(RoleEntry role) => this with { Roles = Put(Roles, role, other => other.Name == role.Name) };

    public UsersDocument WithoutUser(string name) => this with { Users = [.. Users.Where(user => user.Name != name)] };

    public UsersDocument WithoutRole(string name) => this with { Roles = [.. Roles.Where(role => role.Name != name)] };

    private static List<TEntry> Put<TEntry>(IReadOnlyList<TEntry> entries, TEntry entry, Func<TEntry, bool> isSame)
    {
        var result = entries.Select(other => isSame(other) ? entry : other).ToList();
        if (!result.Contains(entry))
        {
            result.Add(entry);
        }

        return result;
    }
}
