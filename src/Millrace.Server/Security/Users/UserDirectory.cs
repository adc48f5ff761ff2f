using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;

namespace Millrace.Server.Security.Users;

/// <summary>The users of one version of the users file, found by name and by key. Immutable but for the proofs that its users remember.</summary>
internal sealed class UserDirectory
{
    private readonly FrozenDictionary<string, UserCaller> _users;
    private readonly FrozenDictionary<string, UserCaller> _keys;
    private readonly int[] _iterations;
    private readonly byte[] _dummySecret;

    public UserDirectory(UsersDocument document, long version)
    {
        Version = version;
        _users = document.Users.ToFrozenDictionary(user => user.Name, user => new UserCaller(user, document), StringComparer.Ordinal);
        _keys = _users.Values
            .SelectMany(user => user.Entry.Keys.Select(user.By))
            .ToFrozenDictionary(user => user.Key!.Id, StringComparer.Ordinal);
        var passwords = document.Users.Select(user => user.Password).OfType<PasswordHash>().ToList();
        _iterations = [.. passwords.Select(password => password.Iterations).DefaultIfEmpty(PasswordHash.DefaultIterations)];
        _dummySecret = passwords.Count > 0 ? passwords[0].Salt.ToArray() : RandomNumberGenerator.GetBytes(PasswordHash.MinSaltBytes);
    }

    /// <summary>Rises with every version of the file.</summary>
    public long Version { get; }

    public UserCaller? Find(string name) => _users.GetValueOrDefault(name);

    /// <summary>The user who has the key of this id, as one who comes with it.</summary>
    public UserCaller? FindByKey(string id) => _keys.GetValueOrDefault(id);

    /// <summary>
    /// Somebody who was let in by this or an earlier version of the file, as this one has it: null if this one would not let in what let the caller in, be it that the user is
    /// gone or disabled, or that the password or the key is another one or has expired.
    /// </summary>
    public UserCaller? FindAgain(UserCaller caller, DateTimeOffset now)
    {
        var user = caller.Key is { } key ? FindByKey(key.Id) : Find(caller.Name);
        if (user is null || user.Entry.IsDisabled || user.Name != caller.Name)
        {
            return null;
        }

        var isSame = user.Key is { } kept
            ? kept.Hash.SequenceEqual(caller.Key!.Hash) && !kept.HasExpired(now)
            : user.Entry.Password is { } password && caller.Entry.Password is { } old && password.Hash.SequenceEqual(old.Hash) && password.Salt.SequenceEqual(old.Salt);
        return isSame ? user : null;
    }

    /// <summary>
    /// What to check a password against that belongs to no user: a hash with parameters that a user has, so that it takes as long. Where they differ, a name gets the
    /// same ones each time, also after a restart, and by a secret: a cost that changes, or that could be foretold, would tell that nobody bears the name.
    /// </summary>
    public PasswordHash DummyFor(string name)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_dummySecret, Encoding.UTF8.GetBytes(name), hash);
        return PasswordHash.CreateDummy(_iterations[BitConverter.ToUInt32(hash) % _iterations.Length]);
    }
}
