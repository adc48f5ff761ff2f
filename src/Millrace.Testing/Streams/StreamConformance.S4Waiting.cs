using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    [Fact]
    public async Task S4_AWait_ReturnsAtOnceWhenThereIsData()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "a", "b");
        await Soon(WaitAsync(partition, 0));
        await Soon(WaitAsync(partition, 1));
        var waiting = WaitAsync(partition, 2);
        await StillWaits(waiting);
        await AppendAsync(partition, "c");
        await Soon(waiting);
    }

    [Fact]
    public async Task S4_AWait_EndsWithTheAppend_AlsoOfAnotherOpening()
    {
        var partition = await OpenAsync();
        var waiting = WaitAsync(partition, 0);
        await StillWaits(waiting);
        await AppendAsync(await OpenAsync(), "a");
        await Soon(waiting);
        Assert.Equal(["a"], Texts(await ReadAsync(partition, 0)));
    }

    [Fact]
    public async Task S4_AWait_EndsWithTheAppendOfAnotherProcess()
    {
        var partition = await OpenAsync();
        var there = await OpenAsync(await ShareAsync());
        for (var i = 0; i < 5; i++)
        {
            var waiting = WaitAsync(partition, i);
            await StillWaits(waiting);
            await AppendAsync(there, $"{i}");
            await Within(TimeSpan.FromSeconds(1), waiting);
            Assert.Equal([$"{i}"], Texts(await ReadAsync(partition, i)));
        }
    }

    [Fact]
    public async Task S4_AWaitFarAhead_EndsWhenTheEndHasPassedItsOffset_AndNotBefore()
    {
        var partition = await OpenAsync();
        var far = WaitAsync(partition, 3);
        var near = WaitAsync(partition, 1);
        await AppendAsync(partition, "0");
        await StillWaits(near);
        await AppendAsync(partition, "1");
        await Soon(near);
        await AppendAsync(partition, "2");
        await StillWaits(far);
        await AppendAsync(partition, "3", "4");
        await Soon(far);
    }

    [Fact]
    public async Task S4_AnAppendOfAnotherPartition_WakesNobodyHere_AndIsNotHeldBack()
    {
        var waiting = WaitAsync(await OpenAsync(At(0)), 0);
        var other = await OpenAsync(At(1));
        var otherWaiting = WaitAsync(other, 0);
        await AppendAsync(other, "a");
        await Soon(otherWaiting);
        await StillWaits(waiting);
        await AppendAsync(await OpenAsync(At(0)), "b");
        await Soon(waiting);
    }

    [Fact]
    public async Task S4_ManyWaits_AllEnd()
    {
        var partition = await OpenAsync();
        var waits = Enumerable.Range(0, 200).Select(i => WaitAsync(partition, i % 20)).ToArray();
        for (var i = 0; i < 20; i++)
        {
            await AppendAsync(partition, $"{i}");
        }

        await Soon(Task.WhenAll(waits));
    }

    [Fact]
    public async Task S4_AReaderThatFollows_MissesNothing()
    {
        const int Records = 200;
        var partition = await OpenAsync();
        var appending = Task.Run(
            async () =>
            {
                var writer = await OpenAsync();
                for (var i = 0; i < Records; i++)
                {
                    await AppendAsync(writer, $"{i}");
                }
            },
            Cancellation);
        var seen = new List<string>();
        while (seen.Count < Records)
        {
            await Soon(WaitAsync(partition, seen.Count));
            var page = await ReadAsync(partition, seen.Count);
            Assert.NotEmpty(page);
            seen.AddRange(Texts(page));
        }

        await appending;
        Assert.Equal(Enumerable.Range(0, Records).Select(i => $"{i}"), seen);
    }

    [Fact]
    public async Task S4_AWait_CanBeCancelled_AndOthersGoOn()
    {
        var partition = await OpenAsync();
        using var cancellation = new CancellationTokenSource();
        var cancelled = Enumerable.Range(0, 50).Select(i => WaitAsync(partition, i % 3, cancellation.Token)).ToArray();
        var waiting = WaitAsync(partition, 0);
        await StillWaits(waiting);
        await cancellation.CancelAsync();
        foreach (var wait in cancelled)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(wait));
        }

        await StillWaits(waiting);
        await AppendAsync(partition, "a");
        await Soon(waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(WaitAsync(partition, 1, cancellation.Token)));
    }

    [Fact]
    public async Task S4_ATrim_IsNoData()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "a", "b");
        var waiting = WaitAsync(partition, 2);
        await Soon(partition.TrimAsync(2, Cancellation));
        await StillWaits(waiting);
        await AppendAsync(partition, "c");
        await Soon(waiting);
    }

    [Fact]
    public async Task S4_DisposingAnOpening_EndsItsWaits_AndNobodyElses()
    {
        var disposed = await OpenAsync();
        var partition = await OpenAsync();
        var ended = WaitAsync(disposed, 0);
        var waiting = WaitAsync(partition, 0);
        await StillWaits(ended);
        await Soon(disposed.DisposeAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(ended));
        await StillWaits(waiting);
        await AppendAsync(partition, "a");
        await Soon(waiting);
    }

    [Fact]
    public async Task S4_DisposingTheBackend_EndsTheWaits()
    {
        var waiting = WaitAsync(await OpenAsync(), 0);
        await StillWaits(waiting);
        await Soon(Backend.DisposeAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(waiting));
    }
}
