using Millrace.Storage;
using Xunit;

namespace Millrace.Testing;

/// <summary>What holds for every backend, whatever its shapes: its health, its name, its end, and that each of its contracts is bound to its suite.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract class BackendConformance<TFixture> : ConformanceSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    [Fact]
    public void Backend_EachContract_IsBoundToItsSuite() => SuiteBindings.AssertComplete(Backend, typeof(TFixture), GetType().Assembly);

    [Fact]
    public void Backend_HasANameThatCanBeAScheme() => Assert.Matches("^[a-z][a-z0-9+.-]*$", Backend.Name);

    [Fact]
    public void Backend_MissingShape_IsACapabilityErrorThatNamesIt()
    {
        object?[] shapes = [Backend.Queues, Backend.Streams, Backend.Channels, Backend.Locks, Backend.State];
        Assert.Contains(shapes, shape => shape is not null);
        if (Backend.Streams is null)
        {
            var error = Assert.Throws<BackendCapabilityException>(() => Backend.Require<IStreamStore>());
            Assert.Equal(Backend.Name, error.Backend);
            Assert.Equal("stream", error.Capability);
        }
    }

    [Fact]
    public async Task Backend_Health_IsARoundTripThatReportsNoError()
    {
        var report = await Soon(Backend.Health.ProbeAsync(Cancellation));
        Assert.True(report.IsHealthy, report.Error);
        Assert.Null(report.Error);
        Assert.True(report.Duration >= TimeSpan.Zero);
        Assert.NotNull(report.Details);
    }

    [Fact]
    public async Task Backend_Health_OfAClosedBackend_IsAReportNotAnException()
    {
        var health = Backend.Health;
        await Soon(Backend.DisposeAsync());
        var report = await Soon(health.ProbeAsync(Cancellation));
        Assert.False(report.IsHealthy);
        Assert.False(string.IsNullOrEmpty(report.Error));
    }

    [Fact]
    public async Task Backend_Disposing_TwiceIsHarmless()
    {
        await Soon(Backend.DisposeAsync());
        await Soon(Backend.DisposeAsync());
    }

    [Fact]
    public async Task Backend_Reopening_FindsWhatWasWritten()
    {
        RequireReopening();
        if (Backend.State is { } state)
        {
            await Soon(state.PutAsync("kept", "value"u8.ToArray(), IStateStore.Absent, Cancellation));
            await ReopenAsync();
            Assert.NotNull(await Soon(Backend.State!.GetAsync("kept", Cancellation)));
        }
        else if (Backend.Queues is null)
        {
            var context = new StreamPartitionContext { Stream = "kept", Partition = 0, PartitionCount = 1 };
            await using (var partition = await Soon(Contract<IStreamStore>().OpenPartitionAsync(context, Cancellation)))
            {
                await Soon(partition.AppendAsync(new AppendRequest(new StreamRecord[1]), Cancellation));
            }

            await ReopenAsync();
            await using var again = await Soon(Contract<IStreamStore>().OpenPartitionAsync(context, Cancellation));
            Assert.Equal(1, (await Soon(again.GetStatsAsync(Cancellation))).EndOffset);
        }
        else
        {
            await Soon(Contract<IQueueStore>().EnqueueAsync("kept", new Envelope[] { new("value"u8.ToArray()) }, default, Cancellation));
            await ReopenAsync();
            await using var receiver = await Soon(Contract<IQueueStore>().OpenReceiverAsync("kept", new ReceiverOptions(), Cancellation));
            Assert.Equal(1, await Soon(receiver.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation)));
        }
    }
}
