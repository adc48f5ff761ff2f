using Millrace.Redis.Client;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>Users and passwords, TLS, and what is said when they are wrong.</summary>
public sealed class SecurityTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Password_IsGiven_AndAWrongOneIsSaidWithoutRepeatingIt()
    {
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Password = "open sesame" }, Cancellation);
        await using (var client = await RedisClients.OpenAsync($"redis://:open%20sesame@{server.EndPoint}/3?clientName=tester", Cancellation))
        {
            Assert.Equal("'tester'", await client.ExecuteAsync("CLIENT", "GETNAME"));
            Assert.Contains("db=3", await client.ExecuteAsync("CLIENT", "INFO"), StringComparison.Ordinal);
            Assert.Contains("resp=3", await client.ExecuteAsync("CLIENT", "INFO"), StringComparison.Ordinal);
        }

        var wrong = await Assert.ThrowsAsync<AccessDeniedException>(() => RedisClients.OpenAsync($"redis://:hush@{server.EndPoint}", Cancellation).AsTask());
        Assert.Contains(server.EndPoint, wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", wrong.ToString(), StringComparison.Ordinal);
        var none = await Assert.ThrowsAsync<AccessDeniedException>(() => RedisClients.OpenAsync($"redis://{server.EndPoint}", Cancellation).AsTask());
        Assert.Contains("wants a password", none.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task User_HasTheRightsThatTheServerGivesIt()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await server.ExecuteAsync(["ACL", "SETUSER", "reader", "on", ">secret", "~*", "&*", "+get", "+ping"], Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://reader:secret@{server.EndPoint}", Cancellation);
        Assert.Equal("null", await client.ExecuteAsync("GET", "a"));
        Assert.Equal("NOPERM", (await Assert.ThrowsAsync<RedisServerException>(() => client.ExecuteAsync("SET", "a", "b"))).Code);
    }

    [Fact]
    public async Task OldServer_IsSpokenToInItsLanguage()
    {
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Arguments = ["--rename-command", "HELLO", "", "--requirepass", "open sesame"] }, Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://:open%20sesame@{server.EndPoint}/1?clientName=tester", Cancellation);
        Assert.Equal("'tester'", await client.ExecuteAsync("CLIENT", "GETNAME"));
        Assert.Contains("resp=2", await client.ExecuteAsync("CLIENT", "INFO"), StringComparison.Ordinal);
        Assert.Equal("null", await client.ExecuteAsync("GET", "a"));

        var listener = new RecordingListener();
        await using (await client.SubscribeAsync(RedisSubscriptionKind.Pattern, "c*", listener, Cancellation))
        {
            await client.ExecuteAsync("PUBLISH", "c1", "a");
            Assert.Equal("c1: a", await listener.NextAsync(Cancellation));
        }

        var wrong = await Assert.ThrowsAsync<AccessDeniedException>(() => RedisClients.OpenAsync($"redis://:hush@{server.EndPoint}", Cancellation).AsTask());
        Assert.DoesNotContain("hush", wrong.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Database_ThatIsNotThere_IsAConfigurationFault()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RedisClients.OpenAsync($"redis://{server.EndPoint}/99", Cancellation).AsTask());
        Assert.Contains("no database 99", fault.Message, StringComparison.Ordinal);
        var cluster = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RedisClients.OpenAsync($"redis://{server.EndPoint}/?cluster=true", Cancellation).AsTask());
        Assert.Contains("no node of a Cluster", cluster.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_BelievesWhomItIsToldTo_AndSaysWhyNot()
    {
        using var certificates = new Certificates();
        using var stranger = new Certificates();
        var folder = certificates.Folder;
        certificates.Sign("client", "client.test");
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Tls = certificates.Sign("server", "redis.test") }, Cancellation);

        var ownCertificate = $"ca={folder}/ca.pem&cert={folder}/client.pem&key={folder}/client.key";
        await using (var client = await RedisClients.OpenAsync($"rediss://{server.EndPoint}?{ownCertificate}&serverName=redis.test", Cancellation))
        {
            var value = new string('x', 1_000_000);
            Assert.Equal("+OK", await client.ExecuteAsync("SET", "a", value));
            Assert.Equal($"'{value}'", await client.ExecuteAsync("GET", "a"));
        }

        var bundle = $"ca={folder}/ca.pem&pfx={folder}/client.pfx&pfxPassword=hush";
        await using (var client = await RedisClients.OpenAsync($"rediss://{server.EndPoint}?{bundle}&serverName=redis.test", Cancellation))
        {
            Assert.Equal("+PONG", await client.ExecuteAsync("PING"));
        }

        var wrong = Assert.Throws<MillraceConfigurationException>(() => RedisOptions.Parse(Storage.BackendUrl.Parse($"rediss://h?pfx={folder}/client.pfx&pfxPassword=wrong")));
        Assert.DoesNotContain("wrong", wrong.Message, StringComparison.Ordinal);
        Assert.Contains("is for redis.test", await FaultAsync($"rediss://{server.EndPoint}?{ownCertificate}"), StringComparison.Ordinal);
        Assert.Contains("not trusted", await FaultAsync($"rediss://{server.EndPoint}?serverName=redis.test"), StringComparison.Ordinal);
        Assert.Contains("not trusted", await FaultAsync($"rediss://{server.EndPoint}?serverName=redis.test&ca={stranger.Authority}"), StringComparison.Ordinal);
        var without = await Assert.ThrowsAsync<BackendUnavailableException>(() => RedisClients.OpenAsync($"rediss://{server.EndPoint}?ca={folder}/ca.pem&serverName=redis.test", Cancellation).AsTask());
        Assert.Contains(server.EndPoint, without.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<BackendUnavailableException>(() => RedisClients.OpenAsync($"redis://{server.EndPoint}?connectTimeoutMs=1000", Cancellation).AsTask());
    }

    private static async Task<string> FaultAsync(string url) =>
        (await Assert.ThrowsAsync<MillraceConfigurationException>(() => RedisClients.OpenAsync(url, Cancellation).AsTask())).Message;
}
