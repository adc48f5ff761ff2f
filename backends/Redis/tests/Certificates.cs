using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Millrace.Testing.Servers;

namespace Millrace.Redis.Tests;

/// <summary>An authority of a test's own and what it has signed, in a folder that goes with it. Each has its certificate, its key, and both together with the password <c>hush</c>.</summary>
internal sealed class Certificates : IDisposable
{
    private readonly X509Certificate2 _authority = CreateAuthority();

    public Certificates() => File.WriteAllText(Authority, _authority.ExportCertificatePem());

    public string Folder { get; } = Directory.CreateTempSubdirectory("millrace-tls-").FullName;

    public string Authority => Path.Combine(Folder, "ca.pem");

    /// <summary>Signs a certificate for a host: a name, or an address.</summary>
    public LocalRedisTls Sign(string file, string host)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(host, out var address))
        {
            names.AddIpAddress(address);
        }
        else
        {
            names.AddDnsName(host);
        }

        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.Create(_authority, now.AddDays(-1), now.AddDays(1), RandomNumberGenerator.GetBytes(8));
        using var whole = certificate.CopyWithPrivateKey(key);
        var path = Path.Combine(Folder, file);
        File.WriteAllText(path + ".pem", certificate.ExportCertificatePem());
        File.WriteAllText(path + ".key", key.ExportPkcs8PrivateKeyPem());
        File.WriteAllBytes(path + ".pfx", whole.Export(X509ContentType.Pkcs12, "hush"));
        return new LocalRedisTls(path + ".pem", path + ".key", Authority);
    }

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static X509Certificate2 CreateAuthority()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Test authority", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));
    }
}
