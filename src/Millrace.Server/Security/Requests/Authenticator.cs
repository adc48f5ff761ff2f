using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Millrace.Server.Security.Users;

namespace Millrace.Server.Security.Requests;

/// <summary>
/// Proves who somebody is. What an answer says, and how long it takes, is the same for a name that nobody bears, a wrong password and a disabled user.
/// Safe for concurrent use.
/// </summary>
internal sealed class Authenticator(LiveUsers users, TimeProvider timeProvider) : IDisposable
{
    // One slip costs a person nothing. Many people may share an address, so an address may slip more often.
    private const int FreeFailuresOfAName = 1;
    private const int FreeFailuresOfAnAddress = 10;

    private static readonly TimeSpan BusyRetry = TimeSpan.FromSeconds(1);

    // Whoever has an IPv6 address has 2^64 of them: the network is what counts.
    private const int Ipv6NetworkBytes = 8;

    private readonly byte[] _secret = RandomNumberGenerator.GetBytes(32);
    private readonly LoginThrottle _ofNames = new(FreeFailuresOfAName, timeProvider);
    private readonly LoginThrottle _ofAddresses = new(FreeFailuresOfAnAddress, timeProvider);
    private readonly SlowChecks _checks = new();
    private readonly ConcurrentDictionary<string, Task<LoginResult>> _running = new(StringComparer.Ordinal);

    /// <summary>Checks credentials that came from an address.</summary>
    public ValueTask<LoginResult> LogInAsync(Credentials credentials, IPAddress? address, CancellationToken cancellationToken) =>
        credentials.Name is null ? new ValueTask<LoginResult>(LogInByKey(credentials.Secret)) : LogInByPasswordAsync(credentials, address, cancellationToken);

    public void Dispose() => _checks.Dispose();

    // A key cannot be guessed, so there is nothing to slow down.
    private LoginResult LogInByKey(string text)
    {
        if (!BearerKey.TryReadId(text, out var id) || users.Current.FindByKey(id) is not { Key: { } key } user)
        {
            return LoginResult.Wrong;
        }

        var isRight = key.Matches(text);
        return isRight && !user.Entry.IsDisabled && !key.HasExpired(timeProvider.GetUtcNow()) ? LoginResult.Right(user) : LoginResult.Wrong;
    }

    private async ValueTask<LoginResult> LogInByPasswordAsync(Credentials credentials, IPAddress? address, CancellationToken cancellationToken)
    {
        var directory = users.Current;
        var user = directory.Find(credentials.Name!);
        var proof = ProofOf(directory.Version, credentials);
        var nameSource = SourceOf(credentials.Name!, address);
        var flightName = Convert.ToHexString(proof) + nameSource;
        if (_running.TryGetValue(flightName, out var running))
        {
            return await running.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        if (_ofNames.IsKnownWrong(nameSource, proof))
        {
            return LoginResult.Wrong;
        }

        // Before what is remembered is looked at: that check is fast, and a guess must not be.
        var wait = _ofNames.WaitOf(nameSource);
        if (wait > TimeSpan.Zero)
        {
            return LoginResult.Delayed(wait);
        }

        if (user is not null && user.Remembers(proof))
        {
            _ofNames.Succeed(nameSource);
            return LoginResult.Right(user);
        }

        // Clients open many connections at once, all with the same password: it is checked once for all of them.
        var flight = new TaskCompletionSource<LoginResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        running = _running.GetOrAdd(flightName, flight.Task);
        if (running == flight.Task)
        {
            _ = CompleteAsync(new Check(directory, user, credentials, proof, nameSource, SourceOf("", address)), flightName, flight);
        }

        return await running.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task CompleteAsync(Check check, string flightName, TaskCompletionSource<LoginResult> flight)
    {
        try
        {
            flight.SetResult(await TryAsync(check).ConfigureAwait(false));
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // No thread, no memory: whoever waits learns of it, and the next login tries again.
            flight.SetException(exception);
        }
        finally
        {
            _running.TryRemove(flightName, out _);
        }
    }

    private async Task<LoginResult> TryAsync(Check check)
    {
        var wait = _ofAddresses.WaitOf(check.AddressSource);
        if (wait > TimeSpan.Zero)
        {
            return LoginResult.Delayed(wait);
        }

        if (!_checks.TryEnter(check.AddressSource))
        {
            return LoginResult.Busy(BusyRetry);
        }

        try
        {
            wait = _ofNames.Begin(check.NameSource);
            return wait > TimeSpan.Zero ? LoginResult.Delayed(wait) : await VerifyAsync(check).ConfigureAwait(false);
        }
        finally
        {
            _checks.Leave(check.AddressSource);
        }
    }

    private async Task<LoginResult> VerifyAsync(Check check)
    {
        var hash = check.User?.Entry.Password ?? check.Directory.DummyFor(check.Credentials.Name!);
        var isRight = await _checks.MatchesAsync(hash, check.Credentials.Secret).ConfigureAwait(false);
        if (isRight && check.User is { Entry: { Password: not null, IsDisabled: false } } user)
        {
            user.Remember(check.Proof);
            _ofNames.Succeed(check.NameSource);
            return LoginResult.Right(user);
        }

        _ofNames.Confirm(check.NameSource, check.Proof);
        _ofAddresses.Fail(check.AddressSource);
        return LoginResult.Wrong;
    }

    // Binds a name, a password and the version of the file that they are checked against. Names have no colon, so the pair has one meaning.
    private byte[] ProofOf(long version, Credentials credentials) => HashOf(version, credentials.Name!, credentials.Secret);

    private UInt128 SourceOf(string name, IPAddress? address)
    {
        var bytes = address switch
        {
            null => [],
            { IsIPv4MappedToIPv6: true } => address.MapToIPv4().GetAddressBytes(),
            { AddressFamily: AddressFamily.InterNetworkV6 } => address.GetAddressBytes()[..Ipv6NetworkBytes],
            _ => address.GetAddressBytes(),
        };
        return BinaryPrimitives.ReadUInt128LittleEndian(HashOf(bytes.Length, name, Convert.ToHexString(bytes)));
    }

    private byte[] HashOf(long number, string name, string rest)
    {
        var text = $"{name}:{rest}";
        var input = new byte[sizeof(long) + Encoding.UTF8.GetMaxByteCount(text.Length)];
        BinaryPrimitives.WriteInt64LittleEndian(input, number);
        var length = sizeof(long) + Encoding.UTF8.GetBytes(text, input.AsSpan(sizeof(long)));
        return HMACSHA256.HashData(_secret, input.AsSpan(0, length));
    }

    /// <summary>One password that is checked, for however many wait for it.</summary>
    private sealed record Check(UserDirectory Directory, UserCaller? User, Credentials Credentials, byte[] Proof, UInt128 NameSource, UInt128 AddressSource);
}
