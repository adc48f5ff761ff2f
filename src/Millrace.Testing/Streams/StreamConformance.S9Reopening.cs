using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task S9_WhatWasAcknowledged_IsThereAfterReopening_ToTheByte(bool crash)
    {
        RequireReopening();
        var partition = await OpenAsync();
        var records = OddRecords();
        var large = new byte[1 << 20];
        new Random(23).NextBytes(large);
        await AppendAsync(partition, records);
        await AppendAsync(partition, new StreamRecord { Body = large, Key = large.AsMemory(0, 1000) });
        var before = await ReadAllAsync(partition);

        partition = await RestartAsync(crash);

        var after = await ReadAllAsync(partition);
        Assert.Equal(before.Length, after.Length);
        for (var i = 0; i < before.Length; i++)
        {
            AssertSame(before[i], after[i]);
            Assert.Equal(before[i].Offset, after[i].Offset);
        }

        Assert.Equal(records.Length + 1, await AppendAsync(partition, "after"));
        Assert.Equal(records.Length + 2, (await ReadAllAsync(partition)).Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task S9_ManyReopenings_KeepOffsetsAndRecords(bool crash)
    {
        RequireReopening();
        var expected = new List<string>();
        var partition = await OpenAsync();
        for (var round = 0; round < 6; round++)
        {
            for (var i = 0; i < 5; i++)
            {
                Assert.Equal(expected.Count, await AppendAsync(partition, $"{round}.{i}", $"{round}.{i} again"));
                expected.AddRange([$"{round}.{i}", $"{round}.{i} again"]);
            }

            partition = await RestartAsync(crash);
            Assert.Equal(expected, await TextsAsync(partition));
        }
    }

    [Fact]
    public async Task S9_ACrashInTheMiddleOfAppends_KeepsWhatWasAcknowledged_AndNoHalfAppend()
    {
        RequireReopening();
        for (var round = 0; round < (IsFullRun ? 20 : 3); round++)
        {
            var partition = await OpenAsync(At() with { Stream = $"{Stream}-{round}" });
            var acknowledged = 0L;
            var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var appending = Task.Run(
                async () =>
                {
                    try
                    {
                        while (true)
                        {
                            var first = await AppendAsync(partition, Enumerable.Repeat($"{acknowledged / 4}", 4).ToArray());
                            Assert.Equal(acknowledged, first);
                            acknowledged += 4;
                            if (acknowledged == 40)
                            {
                                enough.SetResult();
                            }
                        }
                    }
                    catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
                    {
                        // The store has died under it.
                        return;
                    }
                },
                Cancellation);
            await Soon(Task.WhenAny(enough.Task, appending));
            await CrashAsync();
            await Soon(appending);
            var texts = await TextsAsync(await OpenAsync(At() with { Stream = $"{Stream}-{round}" }));
            Assert.True(texts.Length == acknowledged || texts.Length == acknowledged + 4, $"{acknowledged} records were acknowledged, {texts.Length} are there.");
            Assert.Equal(Enumerable.Range(0, texts.Length).Select(i => $"{i / 4}"), texts);
        }
    }

    [Fact]
    public async Task S9_AfterACrash_WaitsAndFollowersWorkAsBefore()
    {
        RequireReopening();
        await AppendAsync(await OpenAsync(), "a");
        var partition = await RestartAsync(crash: true);
        await Soon(WaitAsync(partition, 0));
        var waiting = WaitAsync(partition, 1);
        await StillWaits(waiting);
        await AppendAsync(partition, "b");
        await Soon(waiting);
    }

    [Fact]
    public async Task S9_AFlush_LosesNothing()
    {
        var partition = await OpenAsync();
        await Soon(partition.FlushAsync(Cancellation));
        await AppendAsync(partition, "a");
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Soon(partition.FlushAsync(Cancellation))));
        Assert.Equal(["a"], await TextsAsync(partition));
    }
}
