using Microsoft.Extensions.Configuration;
using Millrace.Configuration;
using Xunit;

namespace Millrace.Tests.Configuration;

public sealed class InstanceConfigurationTests
{
    [Fact]
    public void TheShorthand_IsTheDefaultInstance_AndNamedOnesStandBesideIt()
    {
        var instances = Read(("QUEUE__URL", "memory:"), ("QUEUE__ORDERS__URL", "sqlite:./orders.db"));

        Assert.Equal(["default", "orders"], instances.Keys);
        Assert.Equal("memory:", instances["default"].Queue);
        Assert.Equal("sqlite:./orders.db", instances["orders"].Queue);
    }

    [Fact]
    public void Default_OverridesTheShorthand_FieldByField()
    {
        var instances = Read(("QUEUE__URL", "sqlite:./a.db"), ("QUEUE__DURABILITY", "none"), ("QUEUE__DEFAULT__URL", "sqlite:./b.db"));

        Assert.Equal("sqlite:./b.db?durability=none", instances["default"].Queue);
    }

    [Fact]
    public void ANamedInstance_InheritsNothing()
    {
        var instances = Read(("QUEUE__URL", "sqlite:./a.db"), ("QUEUE__DURABILITY", "none"), ("QUEUE__ORDERS__URL", "sqlite:./orders.db"));

        Assert.Equal("sqlite:./orders.db", instances["orders"].Queue);
    }

    [Fact]
    public void Fields_BecomeOptionsOfTheUrl_WithoutTheirUnderscores_Escaped()
    {
        var instances = Read(("QUEUE__URL", "sqlite:./a.db?durability=full"), ("QUEUE__DEDUP_MAX_ENTRIES", "5"), ("QUEUE__PREFIX", "a&b"));

        Assert.Equal("sqlite:./a.db?durability=full&dedupmaxentries=5&prefix=a%26b", instances["default"].Queue);
    }

    [Fact]
    public void AShape_MayHaveABackendOfItsOwn()
    {
        var instances = Read(("QUEUE__URL", "sqlite:./a.db"), ("CHANNEL__BACKEND", "memory"), ("LOCK__URL", "memory:"), ("STATE__CACHE__URL", "memory:"), ("STREAM__URL", "memory:"));

        Assert.Equal(("sqlite:./a.db", "memory:", "memory:", "memory:"), (instances["default"].Queue, instances["default"].Channel, instances["default"].Lock, instances["default"].Stream));
        Assert.Equal((null, "memory:"), (instances["cache"].Queue, instances["cache"].State));
    }

    [Fact]
    public void TheAlias_MeansTheSame()
    {
        var instances = Read(("MQ__BACKEND", "rabbitmq"), ("MQ__URL", "amqp://guest:guest@localhost:5672/"), ("MQ__ORDERS__URL", "memory:"), ("QUEUE__ORDERS__URL", "memory:"));

        Assert.Equal("amqp://guest:guest@localhost:5672/", instances["default"].Queue);
        Assert.Equal("memory:", instances["orders"].Queue);
    }

    [Theory]
    [InlineData("QUEUE__URL", "memory:", "MQ__URL", "sqlite:./a.db", "QUEUE__URL and MQ__URL mean the same")]
    [InlineData("QUEUE__URL", "memory:", "MQ__DEFAULT__URL", "sqlite:./a.db", "QUEUE__URL and MQ__DEFAULT__URL mean the same")]
    [InlineData("QUEUE__BACKEND", "redis", "QUEUE__URL", "memory:", "QUEUE__BACKEND is 'redis', but QUEUE__URL is memory:")]
    [InlineData("QUEUE__BACKEND", "sqlite", "LOCK__URL", "memory:", "QUEUE__BACKEND is 'sqlite', which needs a URL: set QUEUE__URL")]
    [InlineData("QUEUE__DURABILITY", "full", "LOCK__URL", "memory:", "QUEUE__DURABILITY is set, but there is no URL or BACKEND beside it")]
    [InlineData("QUEUE__URI", "memory:", "LOCK__URL", "memory:", "QUEUE__URI is unknown. Did you mean QUEUE__URL?")]
    [InlineData("QUEUE__ORDERS__BAKCEND", "memory", "LOCK__URL", "memory:", "QUEUE__ORDERS__BAKCEND is unknown. Did you mean QUEUE__ORDERS__BACKEND?")]
    [InlineData("QUEUE__ORDERS__URL__X", "memory:", "LOCK__URL", "memory:", "QUEUE__ORDERS__URL__X is too deep")]
    [InlineData("QUEUE__URL", "sqlite:./a.db?durability=full", "QUEUE__DURABILITY", "none", "'durability' is set by QUEUE__DURABILITY and stands in the URL")]
    [InlineData("QUEUE__URL", "no url", "LOCK__URL", "memory:", "is no backend URL")]
    public void WhatContradictsItself_IsRefused(string key1, string value1, string key2, string value2, string problem)
    {
        var refusal = Assert.Throws<MillraceConfigurationException>(() => Read((key1, value1), (key2, value2)));

        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Channels_TakeTheKeysOfOtherInfrastructures_OverRedisAndInMemory()
    {
        var instances = Read(
            ("CHANNEL__BACKEND", "memory"),
            ("CHANNEL__DEFAULT__BACKEND", "redis"),
            ("CHANNEL__DEFAULT__URL", "redis://localhost:6379/3"),
            ("CHANNEL__DEFAULT__KEY_PREFIX", "channel:"),
            ("CHANNEL__DEFAULT__TTL", "86400"),
            ("CHANNEL__LOCAL__BACKEND", "memory"),
            ("CHANNEL__LOCAL__KEY_PREFIX", "channel:"),
            ("CHANNEL__LOCAL__TTL", "0"));

        Assert.Equal("redis://localhost:6379/3?keyprefix=channel%3A&historyttlms=86400000", instances["default"].Channel);
        Assert.Equal("memory:?historyttlms=0", instances["local"].Channel);
    }

    [Theory]
    [InlineData("TTL", "a day", "memory:", "CHANNEL__TTL is 'a day', which is no whole number of seconds")]
    [InlineData("TTL", "-1", "memory:", "CHANNEL__TTL is '-1'")]
    [InlineData("TTL", "60", "memory:?historyTtlMs=1", "set by CHANNEL__TTL and stands in the URL")]
    [InlineData("TTL", "60", "memory:", "CHANNEL__HISTORY_TTL_MS and CHANNEL__TTL mean the same", "HISTORY_TTL_MS")]
    public void TheTimeToLiveOfChannels_IsANumberOfSeconds_AndStandsOnce(string field, string value, string url, string problem, string? other = null)
    {
        var refusal = Assert.Throws<MillraceConfigurationException>(
            () => Read(("CHANNEL__URL", url), ($"CHANNEL__{field}", value), ($"CHANNEL__{other ?? "HISTORY"}", "1")));

        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Secrets_AreNotRepeatedInErrors()
    {
        var refusal = Assert.Throws<MillraceConfigurationException>(() => Read(("QUEUE__BACKEND", "redis"), ("QUEUE__URL", "amqp://user:hunter2@host/")));

        Assert.DoesNotContain("hunter2", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("amqp://user:***@host", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rediss://h/0", "redis")]
    [InlineData("redis+sentinel://h:26379/mymaster/0", "redis")]
    [InlineData("postgresql+asyncpg://h/db", "postgres")]
    [InlineData("amqps://h/", "RabbitMQ")]
    public void ABackendAndItsUrls_Agree(string url, string backend) =>
        Assert.Equal(url, Read(("QUEUE__BACKEND", backend), ("QUEUE__URL", url))["default"].Queue);

    [Fact]
    public void EmptyValuesAndAnApplicationsOwnKeys_AreLeftAlone() =>
        Assert.Empty(Read(("QUEUE__URL", ""), ("STATE", "running"), ("LOCK", ""), ("OTHER__URL", "x")));

    private static IReadOnlyDictionary<string, InstanceUrls> Read(params (string Key, string Value)[] variables) =>
        InstanceConfiguration.Read(new ConfigurationBuilder()
            .AddInMemoryCollection(variables.Select(variable => KeyValuePair.Create(variable.Key.Replace("__", ":", StringComparison.Ordinal), (string?)variable.Value)))
            .Build());
}
