using System.Diagnostics;
using Millrace.Storage;
using Millrace.Storage.InMemory;
using Xunit;

namespace Millrace.Tests.Storage.InMemory;

/// <summary>What a publish costs that reaches no queue: everything that is sent to a topic asks for its bindings.</summary>
public sealed class InMemoryPublishTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TestScale.Patience;

    private Backend _backend = null!;

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    private IQueueRouting Routing => _backend.Require<IQueueRouting>();

    public async ValueTask InitializeAsync() => _backend = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext(), Ending);

    public ValueTask DisposeAsync() => _backend.DisposeAsync();

    [Theory]
    [InlineData]
    [InlineData("orders.new")]
    [InlineData("orders.new", "orders.*")]
    public async Task APublishToATopicWithoutABinding_AllocatesNothing(params string[] bindings)
    {
        foreach (var pattern in bindings)
        {
            await Routing.BindAsync("q", TopicPattern.Parse(pattern), Ending);
        }

        var (routing, batch) = (Routing, new Envelope[] { new(new byte[1000]) { ContentType = "text/plain" } });
        var (started, allocated) = (Stopwatch.GetTimestamp(), long.MaxValue);

        // Until the runtime has optimised what it runs here: code that it has only just met puts values into boxes.
        while (allocated > 0 && Stopwatch.GetElapsedTime(started) < Patience)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var reached = PublishOften(routing, batch);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(0, reached);
        }

        Assert.Equal(0, allocated);
    }

    [Fact]
    public async Task R2_ABindingIsSeenAtOnce_AndSoIsItsEnd()
    {
        for (var round = 0; round < 3; round++)
        {
            Assert.Equal(0, await PublishAsync());
            await Routing.BindAsync("q", TopicPattern.Parse("news"), Ending);
            Assert.Equal(1, await PublishAsync());
            await Routing.UnbindAsync("q", TopicPattern.Parse("news"), Ending);
            Assert.Equal(0, await PublishAsync());
            await Routing.BindAsync("q", TopicPattern.Parse("n*"), Ending);
            Assert.Equal(1, await PublishAsync());
            await _backend.Require<IQueueAdmin>().DeleteQueueAsync("q", Ending);
        }
    }

    private static int PublishOften(IQueueRouting routing, Envelope[] batch)
    {
        var reached = 0;
        for (var i = 0; i < 1_000; i++)
        {
            var publish = routing.PublishAsync("news", batch, CancellationToken.None);
            reached += publish.IsCompletedSuccessfully ? publish.Result : throw new InvalidOperationException("A publish in memory has nothing to wait for.");
        }

        return reached;
    }

    private ValueTask<int> PublishAsync() => Routing.PublishAsync("news", new Envelope[] { new(new byte[1]) }, Ending);
}
