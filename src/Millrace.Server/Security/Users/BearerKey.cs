using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Millrace.Server.Security.Users;

/// <summary>
/// A bearer key as it is kept: <c>mrk_ID_SECRET</c> by its id and its hash. The secret is 256 random bits, so one SHA-256 protects it as well as a slow function would.
/// Immutable.
/// </summary>
internal sealed class BearerKey
{
    public const int HashBytes = 32;
    public const int IdCharacters = 16;

    private const string Prefix = "mrk_";
    private const int SecretBytes = 32;
    private const int SecretCharacters = 43;

    private static readonly SearchValues<char> IdDigits = SearchValues.Create("0123456789abcdef");

    private readonly byte[] _hash;

    /// <summary>A key that was kept.</summary>
    public BearerKey(string name, string id, byte[] hash, DateTimeOffset createdAt, DateTimeOffset? expiresAt) =>
        (Name, Id, _hash, CreatedAt, ExpiresAt) = (name, id, hash, createdAt, expiresAt);

    /// <summary>What its user calls it; unique for the user.</summary>
    public string Name { get; }

    /// <summary>What it is found by; unique, and no secret.</summary>
    public string Id { get; }

    /// <summary>SHA-256 of the whole key.</summary>
    public ReadOnlySpan<byte> Hash => _hash;

    public DateTimeOffset CreatedAt { get; }

    /// <summary>When it ends; null: never.</summary>
    public DateTimeOffset? ExpiresAt { get; }

    public bool HasExpired(DateTimeOffset now) => now >= ExpiresAt;

    /// <summary>A new key, and its text, which is known here for the last time.</summary>
    public static (BearerKey Key, string Text) Create(string name, DateTimeOffset createdAt, DateTimeOffset? expiresAt)
    {
        var id = RandomNumberGenerator.GetHexString(IdCharacters, lowercase: true);
        var text = $"{Prefix}{id}_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes))}";
        return (new BearerKey(name, id, SHA256.HashData(Encoding.ASCII.GetBytes(text)), createdAt, expiresAt), text);
    }

    /// <summary>The id in a key's text; false if the text has not the form of a key.</summary>
    public static bool TryReadId(string text, out string id)
    {
        id = "";
        if (text.Length != Prefix.Length + IdCharacters + 1 + SecretCharacters
            || !text.StartsWith(Prefix, StringComparison.Ordinal)
            || text[Prefix.Length + IdCharacters] != '_'
            || !IsId(text.AsSpan(Prefix.Length, IdCharacters)))
        {
            return false;
        }

        id = text.Substring(Prefix.Length, IdCharacters);
        return true;
    }

    public static bool IsId(ReadOnlySpan<char> id) => id.Length == IdCharacters && !id.ContainsAnyExcept(IdDigits);

    /// <summary>Whether a text is this key, expired or not. Compares all of it, wherever it differs.</summary>
    public bool Matches(string text) => CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(text)), _hash);
}
