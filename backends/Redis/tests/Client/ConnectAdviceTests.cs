using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>What is advised when a URL and its servers do not go together: TLS on one side only, a login that is meant for others.</summary>
public sealed class ConnectAdviceTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TlsOnOneSideOnly_IsExplained()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        var port = await ListenByTlsAsync(server);
        var toClear = await FaultAsync($"rediss://{server.EndPoint}?connectTimeoutMs=1000");
        Assert.Contains("Does it speak TLS on this port? If it does not, the URL must begin with redis:", toClear.Message, StringComparison.Ordinal);

        var toTls = await FaultAsync($"redis://{LocalRedis.Host}:{port}");
        Assert.Contains("If it speaks TLS on this port, the URL must begin with rediss:", toTls.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("may have been applied", toTls.Message, StringComparison.Ordinal);
        Assert.False(toTls.MayHaveBeenApplied);

        var withoutCertificate = await FaultAsync($"rediss://{LocalRedis.Host}:{port}?ca={server.Folder}/redis.pem&serverName=redis.test");
        Assert.Contains("certificate of the client (options 'cert' and 'key'", withoutCertificate.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("inner exception", withoutCertificate.Message, StringComparison.Ordinal);

        await using var client = await RedisClients.OpenAsync(
            $"rediss://{LocalRedis.Host}:{port}?ca={server.Folder}/redis.pem&serverName=redis.test&cert={server.Folder}/redis.pem&key={server.Folder}/redis.key", Cancellation);
        Assert.Equal("+PONG", await client.ExecuteAsync("PING"));
    }

    [Fact]
    public async Task SentinelsWithALogin_AreNotTakenForServers()
    {
        await using var set = await LocalRedisSentinels.StartAsync(cancellationToken: Cancellation);
        foreach (var sentinel in set.Sentinels)
        {
            await sentinel.ExecuteAsync(["ACL", "SETUSER", "default", "resetpass", ">hush"], Cancellation);
        }

        var url = $"redis+sentinel://{set.EndPoints}/{set.Name}";
        foreach (var wrong in (string[])[$"redis+sentinel://:hid@{set.EndPoints}/{set.Name}", url, $"{url}?sentinelPassword=hid"])
        {
            var refused = await Assert.ThrowsAsync<AccessDeniedException>(() => RedisClients.OpenAsync(wrong, Cancellation).AsTask());
            Assert.StartsWith("The sentinel at ", refused.Message, StringComparison.Ordinal);
            Assert.Contains("sentinelUser and sentinelPassword", refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("hid", refused.ToString(), StringComparison.Ordinal);
        }

        await using var client = await RedisClients.OpenAsync($"{url}?sentinelPassword=hush", Cancellation);
        Assert.Equal("+PONG", await client.ExecuteAsync("PING"));
    }

    /// <summary>Has a server listen by TLS too, for clients that have a certificate of the same authority.</summary>
    /// <returns>The port.</returns>
    private static async Task<string> ListenByTlsAsync(LocalRedis server)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=redis.test", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("redis.test");
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        var file = Path.Combine(server.Folder, "redis");
        await File.WriteAllTextAsync(file + ".pem", certificate.ExportCertificatePem(), Cancellation);
        await File.WriteAllTextAsync(file + ".key", key.ExportPkcs8PrivateKeyPem(), Cancellation);
        while (true)
        {
            var port = FindPort().ToString(CultureInfo.InvariantCulture);
            try
            {
                await server.ExecuteAsync(
                    ["CONFIG", "SET", "tls-cert-file", file + ".pem", "tls-key-file", file + ".key", "tls-ca-cert-file", file + ".pem", "tls-port", port], Cancellation);
                return port;
            }
            catch (InvalidOperationException fault) when (fault.Message.Contains("listen", StringComparison.OrdinalIgnoreCase))
            {
                // Somebody else has taken it meanwhile.
            }
        }
    }

    private static int FindPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static Task<BackendUnavailableException> FaultAsync(string url) => Assert.ThrowsAsync<BackendUnavailableException>(() => RedisClients.OpenAsync(url, Cancellation).AsTask());
}
