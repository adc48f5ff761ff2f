using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Millrace.Server.Security;
using Millrace.Server.Security.Tls;
using Xunit;

namespace Millrace.Server.Tests.Security;

public sealed class CertificateTests : IDisposable
{
    private readonly UsersFolder _folder = new();
    private readonly RecordedLog _log = new();
    private readonly string _pem;
    private readonly string _key;
    private readonly string _pfx;
    private readonly string _password;

    public CertificateTests()
    {
        _pem = Path.Combine(_folder.Path, "server.pem");
        _key = Path.Combine(_folder.Path, "server.key");
        _pfx = Path.Combine(_folder.Path, "server.pfx");
        _password = Path.Combine(_folder.Path, "password");
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private CertificateOptions Pem => new() { CertificateFile = _pem, KeyFile = _key };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Pem_IsServed_AndReplacedWithoutARestart()
    {
        using var first = Write(Make());
        await using var host = await SecuredHost.StartAsync(new SecurityOptions { Certificate = Pem }, log: _log, url: "https://127.0.0.1:0");
        Assert.Equal(first.Thumbprint, (await host.ConnectAsync()).Thumbprint);
        Assert.Equal(first.Thumbprint, (await host.ConnectAsync(SslProtocols.Tls12)).Thumbprint);

        using var second = Write(Make());
        await _log.WaitForAsync(2120, count: 2);
        Assert.Equal(second.Thumbprint, (await host.ConnectAsync()).Thumbprint);

        await File.WriteAllTextAsync(_key, "broken", Token);
        Assert.Contains("server.key has no private key in PEM", (await _log.WaitForAsync(2121)).Text, StringComparison.Ordinal);
        Assert.Equal(second.Thumbprint, (await host.ConnectAsync()).Thumbprint);
    }

    [Fact]
    public async Task OlderTls_IsRefused()
    {
        using var certificate = Write(Make());
        await using var host = await SecuredHost.StartAsync(new SecurityOptions { Certificate = Pem }, url: "https://127.0.0.1:0");

#pragma warning disable SYSLIB0039, CA5397 // The old version is what is tested.
        await Assert.ThrowsAnyAsync<Exception>(() => host.ConnectAsync(SslProtocols.Tls11));
#pragma warning restore SYSLIB0039, CA5397
    }

    [Fact]
    public async Task Http2_IsOffered()
    {
        using var certificate = Write(Make());
        await using var host = await SecuredHost.StartAsync(new SecurityOptions { Certificate = Pem }, url: "https://127.0.0.1:0");
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, sent, _, _) => sent?.GetCertHashString() == certificate.Thumbprint;
        using var client = new HttpClient(handler) { DefaultRequestVersion = new Version(2, 0), DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };

        Assert.Equal("'' may, admin", await client.GetStringAsync(host.Address, Token));
    }

    [Fact]
    public async Task AChain_IsSentWhole()
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var root = Request("CN=Millrace test root", rootKey, isAuthority: true).CreateSelfSigned(Now.AddDays(-1), Now.AddDays(90));
        using var middleKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var middle = Request("CN=Millrace test issuer", middleKey, isAuthority: true).Create(root, Now.AddDays(-1), Now.AddDays(80), [1]).CopyWithPrivateKey(middleKey);
        using var leafKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var leaf = Request("CN=localhost", leafKey).Create(middle, Now.AddDays(-1), Now.AddDays(70), [2]).CopyWithPrivateKey(leafKey);
        await File.WriteAllTextAsync(_pem, leaf.ExportCertificatePem() + "\n" + middle.ExportCertificatePem(), Token);
        await File.WriteAllTextAsync(_key, leafKey.ExportPkcs8PrivateKeyPem(), Token);
        await using var host = await SecuredHost.StartAsync(new SecurityOptions { Certificate = Pem }, url: "https://127.0.0.1:0");

        Assert.Equal((leaf.Thumbprint, 2), await host.ConnectAsync());
    }

    [Fact]
    public async Task Pkcs12_AndEncryptedKeys_AreOpenedWithTheirPasswordFile()
    {
        using var certificate = Make();
        await File.WriteAllTextAsync(_password, "s3cret word\nsecond line", Token);
        await File.WriteAllBytesAsync(_pfx, certificate.Export(X509ContentType.Pkcs12, "s3cret word"), Token);
        using (var loaded = Open(new CertificateOptions { PfxFile = _pfx, PasswordFile = _password }))
        {
            Assert.Equal(certificate.Thumbprint, loaded.Current.Thumbprint);
        }

        using var key = certificate.GetECDsaPrivateKey()!;
        await File.WriteAllTextAsync(_pem, certificate.ExportCertificatePem(), Token);
        await File.WriteAllTextAsync(_key, key.ExportEncryptedPkcs8PrivateKeyPem("s3cret word", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 10)), Token);
        using (var loaded = Open(Pem with { PasswordFile = _password }))
        {
            Assert.Equal(certificate.Thumbprint, loaded.Current.Thumbprint);
        }

        RequireFault("is encrypted: set PasswordFile", Pem);
        await File.WriteAllTextAsync(_password, "another", Token);
        RequireFault("or its password is wrong", Pem with { PasswordFile = _password });
        RequireFault("or its password is wrong", new CertificateOptions { PfxFile = _pfx, PasswordFile = _password });
        Assert.DoesNotContain("s3cret", _log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatCannotWork_IsRefused_WithTheFileAndTheReason()
    {
        RequireFault("CertificateFile with KeyFile", new CertificateOptions());
        RequireFault("CertificateFile with KeyFile", new CertificateOptions { CertificateFile = _pem });
        RequireFault("CertificateFile with KeyFile", Pem with { PfxFile = _pfx });
        RequireFault($"There is no file {_pem}", Pem);

        using var certificate = Write(Make());
        using var other = Make();
        using var otherKey = other.GetECDsaPrivateKey()!;
        await File.WriteAllTextAsync(_key, otherKey.ExportPkcs8PrivateKeyPem(), Token);
        RequireFault($"The key {_key} does not belong to the certificate {_pem}", Pem);
        using var rsa = RSA.Create(2048);
        await File.WriteAllTextAsync(_key, rsa.ExportPkcs8PrivateKeyPem(), Token);
        RequireFault($"The key {_key} does not belong to the certificate {_pem}", Pem);

        await File.WriteAllTextAsync(_pem, "x", Token);
        RequireFault($"{_pem} has no certificate in PEM", Pem);
        await File.WriteAllTextAsync(_pfx, "x", Token);
        RequireFault($"{_pfx} is no PKCS #12 file", new CertificateOptions { PfxFile = _pfx });
    }

    [Fact]
    public void Dates_AreChecked()
    {
        using var expired = Write(Make(Now.AddDays(-2), Now.AddDays(-1)));
        RequireFault($"The certificate {_pem} has expired: it was valid until", Pem);
        using var early = Write(Make(Now.AddDays(1), Now.AddDays(9)));
        RequireFault($"The certificate {_pem} is not valid before", Pem);
        using var soon = Write(Make(Now.AddDays(-1), Now.AddDays(9)));
        using var loaded = Open(Pem);
        Assert.Single(_log.Of(2122));
    }

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    private static CertificateRequest Request(string subject, ECDsa key, bool isAuthority = false)
    {
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        return request;
    }

    private static X509Certificate2 Make(DateTimeOffset? from = null, DateTimeOffset? until = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Request("CN=localhost", key).CreateSelfSigned(from ?? Now.AddDays(-1), until ?? Now.AddDays(90));
    }

    private X509Certificate2 Write(X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        File.WriteAllText(_pem, certificate.ExportCertificatePem());
        File.WriteAllText(_key, key.ExportPkcs8PrivateKeyPem());
        return certificate;
    }

    private ServerCertificate Open(CertificateOptions options) => ServerCertificate.Open(options, TimeProvider.System, _log.CreateLogger("x"));

    private void RequireFault(string expected, CertificateOptions options) =>
        Assert.Contains(expected, Assert.Throws<MillraceConfigurationException>(() => Open(options)).Message, StringComparison.Ordinal);
}
