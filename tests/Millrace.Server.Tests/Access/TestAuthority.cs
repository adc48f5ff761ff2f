using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Millrace.Server.Security;

namespace Millrace.Server.Tests.Access;

/// <summary>An authority that makes certificates of servers, with its own certificate in a file for clients.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;
    private readonly string _folder;

    public TestAuthority(string folder, string name)
    {
        _folder = folder;
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _certificate = request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(90));
        File = Path.Combine(folder, name + ".pem");
        System.IO.File.WriteAllText(File, _certificate.ExportCertificatePem());
    }

    /// <summary>Its own certificate, for <c>caFile</c>.</summary>
    public string File { get; }

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    /// <summary>Writes a certificate for a host and for 127.0.0.1, or for the host alone.</summary>
    public CertificateOptions Issue(string host = "localhost", bool alsoLoopback = true)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = Request(host, alsoLoopback, key).Create(_certificate, Now.AddDays(-1), Now.AddDays(80), RandomNumberGenerator.GetBytes(8));
        return Write(certificate.ExportCertificatePem(), key);
    }

    /// <summary>Writes a certificate that vouches for itself.</summary>
    public static CertificateOptions IssueSelfSigned(string folder)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = Request("localhost", true, key).CreateSelfSigned(Now.AddDays(-1), Now.AddDays(80));
        return Write(folder, certificate.ExportCertificatePem(), key);
    }

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }

    private static CertificateRequest Request(string host, bool alsoLoopback, ECDsa key)
    {
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        if (alsoLoopback)
        {
            names.AddIpAddress(IPAddress.Loopback);
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        return request;
    }

    private CertificateOptions Write(string pem, ECDsa key) => Write(_folder, pem, key);

    private static CertificateOptions Write(string folder, string pem, ECDsa key)
    {
        var options = new CertificateOptions { CertificateFile = Path.Combine(folder, "server.pem"), KeyFile = Path.Combine(folder, "server.key") };
        System.IO.File.WriteAllText(options.KeyFile, key.ExportPkcs8PrivateKeyPem());
        System.IO.File.WriteAllText(options.CertificateFile, pem);
        return options;
    }
}
