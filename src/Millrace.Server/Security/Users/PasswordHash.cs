using System.Security.Cryptography;
using System.Text;

namespace Millrace.Server.Security.Users;

/// <summary>
/// A password as it is kept: PBKDF2 with HMAC-SHA256, a salt of its own, and the number of iterations it was made with, so that older ones go on working when the
/// default rises. Immutable.
/// </summary>
internal sealed class PasswordHash
{
    /// <summary>The only algorithm there is, as the users file spells it.</summary>
    public const string Algorithm = "pbkdf2-sha256";

    /// <summary>What OWASP's password storage sheet asks of PBKDF2-HMAC-SHA256.</summary>
    public const int DefaultIterations = 600_000;

    /// <summary>More than a server can spend on one login.</summary>
    public const int MaxIterations = 20_000_000;

    public const int MinSaltBytes = 16;
    public const int MaxSaltBytes = 64;
    public const int HashBytes = 32;

    private readonly byte[] _salt;
    private readonly byte[] _hash;

    /// <summary>A hash that was kept.</summary>
    public PasswordHash(int iterations, byte[] salt, byte[] hash) => (Iterations, _salt, _hash) = (iterations, salt, hash);

    /// <summary>How often the function was applied.</summary>
    public int Iterations { get; }

    public ReadOnlySpan<byte> Salt => _salt;

    public ReadOnlySpan<byte> Hash => _hash;

    /// <summary>The hash of a new password. Takes as long as checking it will.</summary>
    public static PasswordHash Create(string password, int iterations = DefaultIterations)
    {
        var salt = RandomNumberGenerator.GetBytes(MinSaltBytes);
        return new PasswordHash(iterations, salt, Derive(password, salt, iterations));
    }

    /// <summary>A hash that no password has, to spend on a name that nobody bears what a real one would cost.</summary>
    public static PasswordHash CreateDummy(int iterations) =>
        new(iterations, RandomNumberGenerator.GetBytes(MinSaltBytes), RandomNumberGenerator.GetBytes(HashBytes));

    /// <summary>Whether this is the hash of <paramref name="password"/>. Slow on purpose.</summary>
    public bool Matches(string password) => CryptographicOperations.FixedTimeEquals(Derive(password, _salt, Iterations), _hash);

    private static byte[] Derive(string password, byte[] salt, int iterations) =>
        Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(password), salt, iterations, HashAlgorithmName.SHA256, HashBytes);
}
