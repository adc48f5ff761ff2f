using System.Security.Cryptography;
using Millrace.Server.Security.Users;
using Millrace.Storage;

namespace Millrace.Server.Security;

/// <summary>A user of the users file. Immutable but for the proof of a password, which is kept so that the slow check need not be made for each request.</summary>
internal sealed class UserCaller : Caller
{
    private static readonly int Permissions = Enum.GetValues<Permission>().Length;
    private static readonly int Kinds = Enum.GetValues<ResourceKind>().Length;

    private readonly TopicPattern[][] _patterns;
    private byte[]? _proof;

    /// <summary>A user who came with a password.</summary>
    public UserCaller(UserEntry entry, UsersDocument document)
    {
        Entry = entry;
        IsAdministrator = entry.Roles.Contains(RoleEntry.Administrator);
        var rules = entry.Roles.Select(document.FindRole).OfType<RoleEntry>().SelectMany(role => role.Rules).ToList();
        _patterns = new TopicPattern[Permissions * Kinds][];
        for (var i = 0; i < _patterns.Length; i++)
        {
            var (permission, kind) = ((Permission)(i / Kinds), (ResourceKind)(i % Kinds));
            _patterns[i] = [.. rules.Where(rule => rule.Allow.Contains(permission)).SelectMany(rule => rule.PatternsOf(kind)).Distinct()];
        }
    }

    private UserCaller(UserCaller user, BearerKey key)
    {
        (Entry, IsAdministrator, _patterns, Key) = (user.Entry, user.IsAdministrator, user._patterns, key);
    }

    public override string Name => Entry.Name;

    public override bool IsAdministrator { get; }

    /// <summary>The user as the file has it.</summary>
    public UserEntry Entry { get; }

    /// <summary>The key that the user came with; null for a password.</summary>
    public BearerKey? Key { get; }

    /// <summary>The same user, who came with a key.</summary>
    public UserCaller By(BearerKey key) => new(this, key);

    public override bool May(Permission permission, ResourceKind kind, string name)
    {
        if (IsAdministrator)
        {
            return true;
        }

        var text = kind == ResourceKind.Queue ? ResourceName.SourceOf(name) : name;
        foreach (var pattern in PatternsOf(permission, kind))
        {
            if (pattern.Matches(text) && (kind != ResourceKind.State || ReservedKeys.MayMean(pattern.Text, text)))
            {
                return true;
            }
        }

        return false;
    }

    public override bool MayAll(Permission permission, ResourceKind kind, string pattern)
    {
        if (IsAdministrator)
        {
            return true;
        }

        if (!TopicPattern.TryParse(pattern, null, out var narrow))
        {
            return false;
        }

        foreach (var wide in PatternsOf(permission, kind))
        {
            var isCovered = kind == ResourceKind.Queue ? PatternCover.CoversQueues(wide, narrow) : PatternCover.Covers(wide, narrow);
            if (isCovered && (kind != ResourceKind.State || ReservedKeys.MayMean(wide.Text, pattern)))
            {
                return true;
            }
        }

        return false;
    }

    public override bool MayAny(Permission permission, ResourceKind kind) => IsAdministrator || PatternsOf(permission, kind).Length > 0;

    /// <summary>Keeps that a password was right, by a hash of it that only this process can make.</summary>
    public void Remember(byte[] proof) => Volatile.Write(ref _proof, proof);

    /// <summary>Whether a password was right before.</summary>
    public bool Remembers(ReadOnlySpan<byte> proof) => Volatile.Read(ref _proof) is { } kept && CryptographicOperations.FixedTimeEquals(kept, proof);

    private TopicPattern[] PatternsOf(Permission permission, ResourceKind kind) => _patterns[((int)permission * Kinds) + (int)kind];
}
