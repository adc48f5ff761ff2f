using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Millrace.Server.Security.Tls;

/// <summary>
/// The certificate of a server as its files are now: read again when they change, for connections that come then. Files that make no valid certificate are logged, and the
/// last good one stays. Safe for concurrent use.
/// </summary>
internal sealed class ServerCertificate : IDisposable
{
    private static readonly TimeSpan WarnBefore = TimeSpan.FromDays(14);

    private readonly CertificateOptions _options;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private readonly FilePoll _poll;
    private SslStreamCertificateContext _current;

    private ServerCertificate(CertificateOptions options, TimeProvider timeProvider, ILogger logger)
    {
        _options = options;
        _timeProvider = timeProvider;
        _logger = logger;
        _poll = new FilePoll(options.Files, TryLoad);
        _current = Load();
        _poll.Start(timeProvider);
    }

    /// <summary>The certificate that new connections get.</summary>
    public X509Certificate2 Current => Volatile.Read(ref _current).TargetCertificate;

    /// <summary>Reads the files, and begins to watch them.</summary>
    /// <exception cref="MillraceConfigurationException">A file is missing or wrong, key and certificate do not belong together, or the certificate is not valid now.</exception>
    public static ServerCertificate Open(CertificateOptions options, TimeProvider timeProvider, ILogger logger)
    {
        options.Validate();
        return new ServerCertificate(options, timeProvider, logger);
    }

    /// <summary>Sets the certificate, with those between it and the root, and TLS 1.2 as the oldest version, for the <c>https://</c> addresses of a server.</summary>
    public void Configure(HttpsConnectionAdapterOptions https)
    {
        https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        https.ServerCertificateSelector = (_, _) => Current;

        // A selector hands over a bare certificate; the context has its chain with it, which clients that do not know the issuer need.
        https.OnAuthenticate = (_, connection) =>
        {
            connection.ServerCertificateSelectionCallback = null;
            connection.ServerCertificateContext = Volatile.Read(ref _current);
        };
    }

    public void Dispose() => _poll.Dispose();

    private bool TryLoad(bool report)
    {
        try
        {
            // The one before is left to the collector: connections may be in the middle of their handshake with it.
            Volatile.Write(ref _current, Load());
            return true;
        }
        catch (MillraceConfigurationException exception)
        {
            if (report)
            {
                _logger.CertificateRefused(exception.Message);
            }

            return false;
        }
    }

    private SslStreamCertificateContext Load()
    {
        var (certificate, others) = CertificateFiles.Load(_options);
        var file = _options.PfxFile ?? _options.CertificateFile!;
        var now = _timeProvider.GetUtcNow();
        if (now > certificate.NotAfter)
        {
            throw new MillraceConfigurationException($"The certificate {file} has expired: it was valid until {certificate.NotAfter.ToUniversalTime():u}.");
        }

        if (now < certificate.NotBefore)
        {
            throw new MillraceConfigurationException($"The certificate {file} is not valid before {certificate.NotBefore.ToUniversalTime():u}.");
        }

        try
        {
            var context = SslStreamCertificateContext.Create(certificate, others, offline: true);
            _logger.CertificateLoaded(file, certificate.Subject, certificate.NotAfter);
            if (certificate.NotAfter - now < WarnBefore)
            {
                _logger.CertificateEndsSoon(file, certificate.NotAfter);
            }

            return context;
        }
        catch (Exception exception) when (exception is CryptographicException or NotSupportedException)
        {
            throw new MillraceConfigurationException($"The certificate {file} cannot be used for TLS: {exception.Message}", exception);
        }
    }
}
