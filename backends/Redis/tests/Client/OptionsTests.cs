using Millrace.Redis.Client.Connections;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>Every form of the URL, and every way to get it wrong.</summary>
public sealed class OptionsTests
{
    [Fact]
    public void Url_WithNothingElse_HasDefaults()
    {
        var options = Parse("redis://localhost");
        Assert.Equal(RedisTopology.Single, options.Topology);
        Assert.Equal([new RedisServerAddress("localhost", 6379)], options.Servers);
        Assert.Equal(0, options.Database);
        Assert.Null(options.Login.Password);
        Assert.Equal("millrace", options.Prefix);
        Assert.Null(options.QueuePrefix);
        Assert.Null(options.Tls);
        Assert.Equal(RedisDurability.Engine, options.Durability);
        Assert.Equal(0, options.WaitReplicas);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Timeout);
        Assert.Equal(options.Timeout, options.WaitTimeout);
    }

    [Theory]
    [InlineData("redis://localhost:6379/0", null, null, 0)]
    [InlineData("redis://:pass%40word@localhost:6379/2", null, "pass@word", 2)]
    [InlineData("redis://user:password@localhost/15", "user", "password", 15)]
    [InlineData("redis://user:password@[::1]:6380", "user", "password", 0)]
    public void SingleServer_Parses(string url, string? user, string? password, int database)
    {
        var options = Parse(url);
        Assert.Equal(RedisTopology.Single, options.Topology);
        Assert.Equal(new RedisLogin(user, password), options.Login);
        Assert.Equal(database, options.Database);
        Assert.DoesNotContain("pass", options.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Sentinel_Parses()
    {
        var options = Parse("redis+sentinel://user:secret@h1:26380,h2/mymaster/3?sentinelUser=s&sentinelPassword=hush");
        Assert.Equal(RedisTopology.Sentinel, options.Topology);
        Assert.Equal([new RedisServerAddress("h1", 26380), new RedisServerAddress("h2", 26379)], options.Servers);
        Assert.Equal("mymaster", options.PrimaryName);
        Assert.Equal(3, options.Database);
        Assert.Equal(new RedisLogin("s", "hush"), options.SentinelLogin);
        Assert.DoesNotContain("hush", options.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("secret", $"{options.Login} {options}", StringComparison.Ordinal);
        Assert.Equal(0, Parse("redis+sentinel://h1/mymaster").Database);
        Assert.NotNull(Parse("rediss+sentinel://h1/mymaster").Tls);
    }

    [Theory]
    [InlineData("redis://h1:7000,h2:7001,h3/0")]
    [InlineData("redis://h1:7000,h2:7001")]
    [InlineData("redis://h1:7000/?cluster=true")]
    public void Cluster_Parses(string url)
    {
        var options = Parse(url);
        Assert.Equal(RedisTopology.Cluster, options.Topology);
        Assert.Equal(new RedisServerAddress("h1", 7000), options.Servers[0]);
    }

    [Fact]
    public void Options_Parse_AsOthersSpellThem()
    {
        var options = Parse(
            "redis://localhost?max_connections=10&prefix=app:&queue_name=symphra_scheduler:queue&clientName=me&timeoutMs=700&connectTimeoutMs=800&durability=full&wait=2&waitTimeoutMs=900");
        Assert.Equal(10, options.MaxConnections);
        Assert.Equal("app", options.Prefix);
        Assert.Equal("symphra_scheduler:queue", options.QueuePrefix);
        Assert.Equal("me", options.ClientName);
        Assert.Equal((700, 800, 900), (options.Timeout.TotalMilliseconds, options.ConnectTimeout.TotalMilliseconds, options.WaitTimeout.TotalMilliseconds));
        Assert.Equal(RedisDurability.Full, options.Durability);
        Assert.Equal(2, options.WaitReplicas);
        Assert.Equal(12, Parse("redis://localhost?maxConnections=12").MaxConnections);

        // Environment variables come without underscores and in lower case.
        Assert.Equal(13, Parse("redis://localhost?maxconnections=13&keyprefix=channel%3A").MaxConnections);
        Assert.Equal("channel", Parse("redis://localhost?keyprefix=channel%3A").Prefix);
    }

    [Theory]
    [InlineData("redis:", "must name a server")]
    [InlineData("redis+other://localhost", "must begin with")]
    [InlineData("redis://localhost/x", "no number of a database")]
    [InlineData("redis://localhost/-1", "no number of a database")]
    [InlineData("redis://localhost/0/1", "number of a database")]
    [InlineData("redis://user@localhost", "user without a password")]
    [InlineData("redis://h1,h2/1", "only database 0")]
    [InlineData("redis://h1/1?cluster=true", "only database 0")]
    [InlineData("redis+sentinel://h1", "must name the primary")]
    [InlineData("redis+sentinel://h1/a/b/c", "must name the primary")]
    [InlineData("redis+sentinel://h1/a/0?cluster=true", "a Cluster has none")]
    [InlineData("redis+sentinel://h1/a?sentinelUser=x", "without 'sentinelPassword'")]
    [InlineData("redis://h1?sentinelPassword=hush", "redis+sentinel: only")]
    [InlineData("redis://h1?ca=x.pem", "rediss: only")]
    [InlineData("rediss://h1?cert=x.pem", "together")]
    [InlineData("rediss://h1?cert=x.pem&key=y.pem&pfx=z.pfx", "two certificates")]
    [InlineData("rediss://h1?pfxPassword=hush", "without 'pfx'")]
    [InlineData("rediss://h1?ca=/no/such/file.pem", "/no/such/file.pem")]
    [InlineData("redis://h1?max_connections=5&maxConnections=5", "mean the same")]
    [InlineData("redis://h1?max_connections=2", "max_connections")]
    [InlineData("redis://h1?prefix=a&keyPrefix=b", "mean the same")]
    [InlineData("redis://h1?prefix={a}", "without braces")]
    [InlineData("redis://h1?prefix=", "1 to 100 characters")]
    [InlineData("redis://h1?clientName=a%20b", "without blanks")]
    [InlineData("redis://h1?durability=process", "engine, full")]
    [InlineData("redis://h1?waitTimeoutMs=5", "'wait'")]
    [InlineData("redis://h1?pending_set=symphra_scheduler:pending", "needs none")]
    [InlineData("redis://h1?pendingset=symphra_scheduler:pending", "needs none")]
    [InlineData("redis://h1?tiemoutMs=5", "Did you mean 'timeoutMs'?")]
    public void Url_ThatCannotWork_SaysWhy(string url, string reason)
    {
        var fault = Assert.Throws<MillraceConfigurationException>(() => Parse(url));
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", fault.Message, StringComparison.Ordinal);
    }

    private static RedisOptions Parse(string url) => RedisOptions.Parse(BackendUrl.Parse(url));
}
