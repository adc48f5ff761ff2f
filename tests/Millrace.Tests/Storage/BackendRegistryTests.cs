using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage;

public sealed class BackendRegistryTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Names_AreTrimmed_CaseInsensitive_AndNotTakenTwice()
    {
        var registry = new BackendRegistry();
        registry.Add(" Simple ", (_, _) => Backend.Of("first", new OnlyLocks()));

        Assert.Equal(["Simple"], registry.Names);
        var error = Assert.Throws<MillraceConfigurationException>(() => registry.Add("SIMPLE", (_, _) => Backend.Of("second", new OnlyLocks())));
        Assert.Contains("already registered", error.Message, StringComparison.Ordinal);
        registry.Add("SIMPLE", (_, _) => Backend.Of("second", new OnlyLocks()), replace: true);
        await using var backend = await registry.OpenAsync("simple:", cancellationToken: Cancellation);
        Assert.Equal("second", backend.Name);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("1a")]
    public void NamesThatAreNoScheme_AreRefused(string name) =>
        Assert.Throws<MillraceConfigurationException>(() => new BackendRegistry().Add(name, (_, _) => Backend.Of("x", new OnlyLocks())));

    [Fact]
    public async Task UnknownSchemes_ListTheKnownOnes_AndAbsentPackagesAreNamed()
    {
        var registry = BackendRegistry.CreateDefault();

        var unknown = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await registry.OpenAsync("mongo://h/", cancellationToken: Cancellation));
        Assert.Contains("no backend 'mongo'", unknown.Message, StringComparison.Ordinal);
        Assert.Contains("memory", unknown.Message, StringComparison.Ordinal);

        var planned = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await registry.OpenAsync("amqp://h/", cancellationToken: Cancellation));
        Assert.StartsWith("The backend 'amqp' (RabbitMQ) is not there yet. There are ", planned.Message, StringComparison.Ordinal);

        // This test project does not reference the SQLite package.
        var absent = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await registry.OpenAsync("sqlite:./x.db", cancellationToken: Cancellation));
        Assert.Contains("package Millrace.Sqlite", absent.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnUnknownOption_NamesItself()
    {
        var error = await Assert.ThrowsAsync<MillraceConfigurationException>(
            async () => await BackendRegistry.CreateDefault().OpenAsync("memory:?durabilty=full", cancellationToken: Cancellation));
        Assert.Contains("'durabilty'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADriverSuffix_IsIgnored_UnlessItIsRegisteredItself()
    {
        var registry = new BackendRegistry();
        registry.Add("db", (url, _) => Backend.Of("plain", new OnlyLocks()));
        registry.Add("db+special", (url, _) => Backend.Of("special", new OnlyLocks()));

        await using var plain = await registry.OpenAsync("db+asyncpg:", cancellationToken: Cancellation);
        await using var special = await registry.OpenAsync("db+special:", cancellationToken: Cancellation);
        Assert.Equal("plain", plain.Name);
        Assert.Equal("special", special.Name);
    }

    [Fact]
    public async Task AMissingShape_NamesTheBackend_TheShape_AndWhoHasIt()
    {
        await using var backend = Backend.Of("mine", new OnlyLocks());

        Assert.NotNull(backend.Require<ILockStore>());
        Assert.Null(backend.Find<IQueueStore>());
        var error = Assert.Throws<BackendCapabilityException>(backend.Require<IChannelTransport>);
        Assert.Equal("mine", error.Backend);
        Assert.Equal("channel", error.Capability);
        Assert.Equal(["memory", "redis", "http"], error.Available);
        Assert.Equal("The backend 'mine' has no channel. Backends that have it: memory, redis, http.", error.Message);
        Assert.Equal("The backend 'mine' has no stream. Backends that have it: memory, file, sqlite, redis, http.", Assert.Throws<BackendCapabilityException>(backend.Require<IStreamStore>).Message);
    }

    [Fact]
    public void ABackend_IsMadeOfStores_OneOfAKind()
    {
        Assert.Throws<ArgumentException>(() => Backend.Of("x"));
        Assert.Throws<ArgumentException>(() => Backend.Of("x", new object()));
        Assert.Throws<ArgumentException>(() => Backend.Of("x", new OnlyLocks(), new OnlyLocks()));
    }

    private sealed class OnlyLocks : ILockStore
    {
        public ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default) => default;

        public ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default) => default;

        public ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default) => default;

        public ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default) => default;

        public ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default) => default;
    }
}
