using Millrace.Sqlite.Engine;
using Millrace.Storage;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>What a publish costs that reaches no queue, and that it misses no binding for it (law R2).</summary>
public sealed class PublishTests : IAsyncLifetime
{
    private static readonly Envelope[] Batch = [new("m"u8.ToArray())];

    private readonly TemporaryFolder _folder = new();
    private SqliteBackend _backend = null!;

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    private IQueueRouting Routing => _backend.Require<IQueueRouting>();

    public async ValueTask InitializeAsync() => _backend = await OpenAsync();

    public async ValueTask DisposeAsync()
    {
        await _backend.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task APublishThatReachesNoQueue_NeedsNoWriter()
    {
        await Routing.BindAsync("q", TopicPattern.Parse("orders.*"), Ending);
        using var other = Connection.Open(_folder.File, create: false, busyTimeoutMs: 1000);
        other.Begin();

        Assert.Equal(0, await Routing.PublishAsync("news", Batch, Ending));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => Routing.PublishAsync("orders.new", Batch, Ending).AsTask());

        other.Rollback();
        Assert.Equal(1, await Routing.PublishAsync("orders.new", Batch, Ending));
    }

    [Fact]
    public async Task R2_BindingsOfThisOpeningAndAnother_AreSeenAtOnce_AndSoIsTheirEnd()
    {
        await using var another = await OpenAsync();
        IQueueRouting[] binders = [Routing, another.Require<IQueueRouting>()];
        for (var round = 0; round < 20; round++)
        {
            var binder = binders[round % 2];
            var pattern = TopicPattern.Parse($"t{round}");
            Assert.Equal(0, await Routing.PublishAsync(pattern.Text, Batch, Ending));

            await binder.BindAsync("q", pattern, Ending);
            Assert.Equal(1, await Routing.PublishAsync(pattern.Text, Batch, Ending));

            await binder.UnbindAsync("q", pattern, Ending);
            Assert.Equal(0, await Routing.PublishAsync(pattern.Text, Batch, Ending));
        }

        await another.Require<IQueueRouting>().BindAsync("q", TopicPattern.Parse("*"), Ending);
        Assert.Equal(1, await Routing.PublishAsync("t", Batch, Ending));
        await another.Require<IQueueAdmin>().DeleteQueueAsync("q", Ending);
        Assert.Equal(0, await Routing.PublishAsync("t", Batch, Ending));
    }

    [Fact]
    public async Task R2_BindingsOfAnotherProcess_AreSeenAtOnce()
    {
        using var child = ChildProcess.Start(_folder.Url("busyTimeoutMs=30000"), "bind");
        for (var number = 0; number < 50; number++)
        {
            Assert.Equal($"bound {number}", await child.ReadAsync(Ending));
            Assert.Equal(1, await Routing.PublishAsync($"t.{number}", Batch, Ending));
        }

        await child.KillAsync(Ending);
    }

    private async Task<SqliteBackend> OpenAsync() =>
        (SqliteBackend)await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url("busyTimeoutMs=2000")), new BackendContext(), Ending);
}
