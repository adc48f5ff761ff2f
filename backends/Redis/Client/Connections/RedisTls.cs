using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Millrace.Storage;

namespace Millrace.Redis.Client.Connections;

/// <summary>How connections are encrypted, and whom to believe. Immutable, safe for concurrent use.</summary>
/// <param name="Authorities">Whom to believe; null for those of the system.</param>
/// <param name="Certificate">The client's own certificate with its key; null for none.</param>
/// <param name="ServerName">The name that the server's certificate must have; null for the host of the URL.</param>
internal sealed record RedisTls(X509Certificate2Collection? Authorities, X509Certificate2? Certificate, string? ServerName)
{
    private const string PasswordOption = "pfxPassword";

    /// <summary>Reads the options; null for a URL of connections in clear.</summary>
    /// <exception cref="MillraceConfigurationException">A file cannot be read, or an option makes no sense with the others.</exception>
    public static RedisTls? Parse(BackendUrl url, BackendOptionReader reader)
    {
        var (authority, certificate, key) = (reader.Text("ca"), reader.Text("cert"), reader.Text("key"));
        var (pfx, password, serverName) = (reader.Text("pfx"), reader.Text(PasswordOption), reader.Text("serverName"));
        if (url.Scheme != "rediss")
        {
            return (authority ?? certificate ?? key ?? pfx ?? password ?? serverName) is null
                ? null
                : throw new MillraceConfigurationException($"The URL '{url}' has options for TLS (ca, cert, key, pfx, pfxPassword, serverName), which mean something to rediss: only.");
        }

        if ((certificate is null) != (key is null))
        {
            throw new MillraceConfigurationException($"The URL '{url}' must have the options 'cert' and 'key' together: files of a certificate and its key in PEM form.");
        }

        if (certificate is not null && pfx is not null)
        {
            throw new MillraceConfigurationException($"The URL '{url}' names two certificates: take 'cert' and 'key', or 'pfx'.");
        }

        if (password is not null && pfx is null)
        {
            throw new MillraceConfigurationException($"The URL '{url}' has the option '{PasswordOption}' without 'pfx'.");
        }

        return new RedisTls(
            authority is null ? null : Read("ca", authority, ReadAuthorities),
            certificate is not null ? Read("cert' and 'key", certificate, file => ReadPem(file, key!))
                : pfx is not null ? Read("pfx", pfx, file => X509CertificateLoader.LoadPkcs12FromFile(file, password))
                : null,
            serverName);
    }

    /// <summary>Encrypts a connection.</summary>
    /// <exception cref="MillraceConfigurationException">The server's certificate is not to be believed; says why.</exception>
    public async ValueTask<Stream> EncryptAsync(Stream stream, RedisServerAddress address, CancellationToken cancellationToken)
    {
        string? fault = null;
        var encrypted = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await encrypted.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = ServerName ?? address.Host,
                    ClientCertificates = Certificate is null ? null : [Certificate],
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) => (fault = FindFault(certificate as X509Certificate2, chain, errors)) is null,
                },
                cancellationToken).ConfigureAwait(false);
            return encrypted;
        }
        catch (Exception failure)
        {
            await encrypted.DisposeAsync().ConfigureAwait(false);
            throw failure switch
            {
                AuthenticationException when fault is not null => new MillraceConfigurationException(
                    $"Redis at {address} does not prove who it is: {fault.TrimEnd('.')}. The option 'ca' names the certificate of its authority, 'serverName' the name that its certificate has.", failure),
                AuthenticationException or IOException => new BackendUnavailableException(
                    $"Redis at {address} could not agree on TLS: {RedisFaults.Words(failure.InnerException ?? failure)}. Does it speak TLS on this port, and does it want a certificate of the client (options 'cert' and 'key')?",
                    mayHaveBeenApplied: false,
                    failure),
                OperationCanceledException => new BackendUnavailableException(
                    $"Redis at {address} has not answered the beginning of TLS in time. Does it speak TLS on this port? If it does not, the URL must begin with redis:.",
                    mayHaveBeenApplied: false,
                    failure),
                _ => failure,
            };
        }
    }

    /// <inheritdoc/>
    public override string ToString() => "TLS";

    private string? FindFault(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null || chain is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            return "it has sent no certificate";
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return $"its certificate ({certificate.Subject}) is for {Join(NamesOf(certificate))}";
        }

        if (Authorities is null)
        {
            return errors == SslPolicyErrors.None ? null : DescribeChain(certificate, chain);
        }

        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(Authorities);
        return chain.Build(certificate) ? null : DescribeChain(certificate, chain);
    }

    private static IEnumerable<string> NamesOf(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(names => names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(address => address.ToString())));

    private static string DescribeChain(X509Certificate2 certificate, X509Chain chain) =>
        $"its certificate ({certificate.Subject}, issued by {certificate.Issuer}) is not trusted: "
        + Join(chain.ChainStatus.Select(status => status.StatusInformation.Trim().TrimEnd('.')).Distinct());

    private static string Join(IEnumerable<string> parts) => string.Join(", ", parts.DefaultIfEmpty("no host"));

    private static X509Certificate2Collection ReadAuthorities(string file)
    {
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(file);
        return authorities.Count > 0 ? authorities : throw new CryptographicException("it holds no certificate in PEM form");
    }

    private static X509Certificate2 ReadPem(string certificate, string key)
    {
        // Through PKCS 12, because Windows cannot use a key that was never in a store.
        using var pem = X509Certificate2.CreateFromPemFile(certificate, key);
        return X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
    }

    private static T Read<T>(string option, string file, Func<string, T> read)
    {
        try
        {
            return read(file);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new MillraceConfigurationException($"The file '{file}' (option '{option}') cannot be read: {failure.Message}", failure);
        }
    }
}
