namespace Millrace.Server.Security.Users;

/// <summary>The rule for names of users, roles and keys, and for new passwords.</summary>
internal static class UserNames
{
    public const int MaxCharacters = 100;
    public const int MinPasswordCharacters = 8;
    public const int MaxPasswordCharacters = 1000;

    /// <summary>What is wrong with a name, as a sentence that does not repeat it; null if nothing is.</summary>
    /// <param name="kind">"user", "role" or "key".</param>
    /// <param name="name">The name.</param>
    public static string? FaultOf(string kind, string name)
    {
        if (name.Length is 0 or > MaxCharacters)
        {
            return $"The name of a {kind} has 1 to {MaxCharacters} characters, not {name.Length}.";
        }

        // Basic authentication ends the name at the first colon.
        var wrong = name.AsSpan().IndexOf(':');
        for (var i = 0; i < name.Length && wrong < 0; i++)
        {
            wrong = char.IsControl(name[i]) || (char.IsSurrogate(name[i]) && !IsPair(name, ref i)) ? i : -1;
        }

        return wrong < 0 ? null : $"The name of a {kind} has no colon and no control characters: character {wrong + 1} is U+{(int)name[wrong]:X4}.";
    }

    /// <summary>What is wrong with a new password, as a sentence without it; null if nothing is.</summary>
    public static string? FaultOfPassword(string password)
    {
        if (password.Length < MinPasswordCharacters)
        {
            return $"The password is too short: it needs at least {MinPasswordCharacters} characters.";
        }

        if (password.Length > MaxPasswordCharacters)
        {
            return $"The password is too long: it may have {MaxPasswordCharacters} characters.";
        }

        return password.Any(char.IsControl) ? "The password has a control character, which clients cannot send." : null;
    }

    // Leaves i on the second half, so that it is not looked at alone.
    private static bool IsPair(string name, ref int i)
    {
        if (char.IsHighSurrogate(name[i]) && i + 1 < name.Length && char.IsLowSurrogate(name[i + 1]))
        {
            i++;
            return true;
        }

        return false;
    }
}
