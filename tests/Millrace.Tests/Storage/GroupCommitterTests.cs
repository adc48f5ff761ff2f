using System.Collections.Concurrent;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage;

public sealed class GroupCommitterTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Operations_AreCommittedInTheOrderOfTheirAcceptance(bool dedicatedThread)
    {
        var target = new RecordingTarget();
        await using var committer = new GroupCommitter<Operation>(target, new GroupCommitterOptions { DedicatedThread = dedicatedThread });
        var tasks = Enumerable.Range(0, 500).Select(number => committer.CommitAsync(new Operation(number), Cancellation).AsTask()).ToArray();

        await Task.WhenAll(tasks);

        Assert.Equal(Enumerable.Range(0, 500), target.Applied);
    }

    [Fact]
    public async Task WhatGathersDuringACommit_SharesTheNextOne()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource() };
        await using var committer = new GroupCommitter<Operation>(target);
        var first = committer.CommitAsync(new Operation(0), Cancellation).AsTask();
        await target.Entered.WaitAsync(Cancellation);
        var others = Enumerable.Range(1, 9).Select(number => committer.CommitAsync(new Operation(number), Cancellation).AsTask()).ToArray();

        target.Gate.SetResult();
        await first;
        await Task.WhenAll(others);

        Assert.Equal([1, 9], target.Batches);
    }

    [Fact]
    public async Task OneFailure_FailsOnlyItsOperation()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource(), Refused = 3 };
        await using var committer = new GroupCommitter<Operation>(target);
        var tasks = Enumerable.Range(0, 6).Select(number => committer.CommitAsync(new Operation(number), Cancellation).AsTask()).ToArray();
        target.Gate.SetResult();

        await Assert.ThrowsAsync<QueueFullException>(() => tasks[3]);
        await Task.WhenAll(tasks.Where((_, number) => number != 3));
    }

    [Fact]
    public async Task AFailedCommit_IsRepeatedOneByOne_SoThatOnlyTheCulpritFails()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource(), Poison = 4 };
        await using var committer = new GroupCommitter<Operation>(target);
        var first = committer.CommitAsync(new Operation(0), Cancellation).AsTask();
        await target.Entered.WaitAsync(Cancellation);
        var tasks = Enumerable.Range(1, 7).Select(number => committer.CommitAsync(new Operation(number), Cancellation).AsTask()).ToArray();
        target.Gate.SetResult();

        await first;
        await Assert.ThrowsAsync<InvalidOperationException>(() => tasks[3]);
        await Task.WhenAll(tasks.Where((_, index) => index != 3));
        Assert.Equal([0, 1, 2, 3, 5, 6, 7], target.Applied);
    }

    [Fact]
    public async Task ACommitOfUnknownFate_FailsAllOfItsOperations_AndIsNotRepeated()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource(), Outage = new BackendUnavailableException("cut", mayHaveBeenApplied: true) };
        await using var committer = new GroupCommitter<Operation>(target);
        var tasks = Enumerable.Range(0, 4).Select(number => committer.CommitAsync(new Operation(number), Cancellation).AsTask()).ToArray();
        await target.Entered.WaitAsync(Cancellation);
        target.Gate.SetResult();

        foreach (var task in tasks)
        {
            Assert.True((await Assert.ThrowsAsync<BackendUnavailableException>(() => task)).MayHaveBeenApplied);
        }

        Assert.Equal(4, target.Batches.Sum());
        Assert.Empty(target.Applied);
    }

    [Fact]
    public async Task ABoundIsKept_AndCallersBeyondItWait()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource() };
        await using var committer = new GroupCommitter<Operation>(target, new GroupCommitterOptions { Capacity = 2, MaxBatch = 2 });
        var running = committer.CommitAsync(new Operation(0), Cancellation).AsTask();
        await target.Entered.WaitAsync(Cancellation);
        var tasks = Enumerable.Range(1, 5).Select(number => committer.CommitAsync(new Operation(number), Cancellation).AsTask()).ToArray();

        Assert.All(tasks, task => Assert.False(task.IsCompleted));
        target.Gate.SetResult();
        await running;
        await Task.WhenAll(tasks);

        Assert.All(target.Batches, size => Assert.InRange(size, 1, 2));
        Assert.Equal([0, 1, 2], target.Applied.Take(3));
        Assert.Equal(6, target.Applied.Count);
    }

    [Fact]
    public async Task Cancellation_IsHonouredWhileWaitingForRoom_AndNotAfterAcceptance()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource() };
        await using var committer = new GroupCommitter<Operation>(target, new GroupCommitterOptions { Capacity = 1 });
        using var cancellation = new CancellationTokenSource();
        var running = committer.CommitAsync(new Operation(0), cancellation.Token).AsTask();
        await target.Entered.WaitAsync(Cancellation);
        var accepted = committer.CommitAsync(new Operation(1), cancellation.Token).AsTask();
        var waiting = committer.CommitAsync(new Operation(2), cancellation.Token).AsTask();

        await cancellation.CancelAsync();
        var error = await Assert.ThrowsAsync<OperationCanceledException>(() => waiting);
        target.Gate.SetResult();
        await running;
        await accepted;

        Assert.Equal(cancellation.Token, error.CancellationToken);
        Assert.Equal([0, 1], target.Applied);
    }

    [Fact]
    public async Task ATokenThatIsCancelledAlready_CommitsNothing()
    {
        var target = new RecordingTarget();
        await using var committer = new GroupCommitter<Operation>(target);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await committer.CommitAsync(new Operation(0), new CancellationToken(true)));
        Assert.Empty(target.Applied);
    }

    [Fact]
    public async Task Stopping_CommitsWhatWasAccepted_AndFailsWhatWaits()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource() };
        var committer = new GroupCommitter<Operation>(target, new GroupCommitterOptions { Capacity = 1, Name = "the store's writer" });
        var running = committer.CommitAsync(new Operation(0), Cancellation).AsTask();
        await target.Entered.WaitAsync(Cancellation);
        var accepted = committer.CommitAsync(new Operation(1), Cancellation).AsTask();
        var waiting = committer.CommitAsync(new Operation(2), Cancellation).AsTask();

        var stopping = committer.DisposeAsync().AsTask();
        var error = await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        Assert.False(stopping.IsCompleted);
        target.Gate.SetResult();
        await stopping;

        await running;
        await accepted;
        Assert.Contains("the store's writer", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await committer.CommitAsync(new Operation(3), Cancellation));
        await committer.DisposeAsync();
        Assert.Equal([0, 1], target.Applied);
    }

    [Fact]
    public async Task Weight_BoundsACommit_AndAHeavyOperationGoesAlone()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource() };
        await using var committer = new GroupCommitter<Operation>(target, new GroupCommitterOptions { MaxBatchWeight = 10 });
        var first = committer.CommitAsync(new Operation(0), Cancellation).AsTask();
        await target.Entered.WaitAsync(Cancellation);
        int[] weights = [4, 4, 4, 100, 1];
        var tasks = weights.Select((weight, index) => committer.CommitAsync(new Operation(index + 1) { OwnWeight = weight }, Cancellation).AsTask()).ToArray();
        target.Gate.SetResult();
        await first;
        await Task.WhenAll(tasks);

        Assert.Equal([1, 2, 1, 1, 1], target.Batches);
    }

    [Fact]
    public async Task ALoneCaller_CommitsOnItsOwnThread_AndWhoeverComesMeanwhileIsCommittedByTheCommitter()
    {
        GroupCommitter<Operation>? committer = null;
        Task? other = null;
        var threads = new List<int>();
        var target = new RecordingTarget
        {
            OnCommit = () =>
            {
                threads.Add(Environment.CurrentManagedThreadId);
                other ??= committer!.CommitAsync(new Operation(1), Cancellation).AsTask();
            },
        };
        committer = new GroupCommitter<Operation>(target, new GroupCommitterOptions { LoneCallersCommit = true });
        var caller = Environment.CurrentManagedThreadId;
        var first = committer.CommitAsync(new Operation(0), Cancellation);

        Assert.True(first.IsCompletedSuccessfully);
        await first;
        await other!;
        await committer.DisposeAsync();
        Assert.Equal([0, 1], target.Applied);
        Assert.Equal(caller, threads[0]);
        Assert.NotEqual(caller, threads[1]);
    }

    [Fact]
    public async Task LightOperations_AreCommittedApart_TurnAndTurnAbout()
    {
        var target = new RecordingTarget { Gate = new TaskCompletionSource() };
        await using var committer = new GroupCommitter<Operation>(target, new GroupCommitterOptions { MaxBatch = 3 });
        var first = committer.CommitAsync(new Operation(0), Cancellation).AsTask();
        await target.Entered.WaitAsync(Cancellation);
        var tasks = Enumerable.Range(1, 10).Select(number => committer.CommitAsync(new Operation(number) { Light = number % 2 == 0 }, Cancellation).AsTask()).ToArray();
        target.Gate.SetResult();
        await first;
        await Task.WhenAll(tasks);

        Assert.Equal([0, 2, 4, 6, 1, 3, 5, 8, 10, 7, 9], target.Applied);
        Assert.Equal([1, 3, 3, 2, 2], target.Batches);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task UnderLoad_EachOperationIsAppliedOnce_OrRefusedByTheStop(bool dedicatedThread, bool loneCallersCommit)
    {
        var target = new RecordingTarget { Yields = !dedicatedThread };
        var committer = new GroupCommitter<Operation>(
            target,
            new GroupCommitterOptions { Capacity = 16, MaxBatch = 8, DedicatedThread = dedicatedThread, LoneCallersCommit = loneCallersCommit });
        var acknowledged = new ConcurrentBag<int>();
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var callers = Enumerable.Range(0, 64).Select(caller => Task.Run(
            async () =>
            {
                // One object, used again and again, as a pooled one is.
                var operation = new Operation(0) { Light = caller % 3 == 0 };
                try
                {
                    for (var i = 0; ; i++)
                    {
                        operation.Number = (caller * 1_000_000) + i;
                        await committer.CommitAsync(operation, Cancellation);
                        acknowledged.Add(operation.Number);
                        if (acknowledged.Count >= 5000)
                        {
                            enough.TrySetResult();
                        }
                    }
                }
                catch (ObjectDisposedException)
                {
                    return;
                }
            },
            Cancellation)).ToArray();

        await enough.Task.WaitAsync(Cancellation);
        await committer.DisposeAsync();
        await Task.WhenAll(callers);

        Assert.Equal(acknowledged.Order(), target.Applied.Order());
    }

    private sealed class Operation(int number) : GroupCommitOperation
    {
        public int Number { get; set; } = number;

        public long OwnWeight { get; init; }

        public bool Light { get; init; }

        public override bool IsLight => Light;

        public override long Weight => OwnWeight;
    }

    /// <summary>Applies operations by noting them, and fails as it is told.</summary>
    private sealed class RecordingTarget : IGroupCommitTarget<Operation>
    {
        private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Entered => _entered.Task;

        /// <summary>Holds every commit until it is completed.</summary>
        public TaskCompletionSource? Gate { get; init; }

        /// <summary>The number that is refused.</summary>
        public int? Refused { get; init; }

        /// <summary>The number that breaks the commit it is in.</summary>
        public int? Poison { get; init; }

        public Exception? Outage { get; init; }

        public bool Yields { get; init; }

        public Action? OnCommit { get; init; }

        public List<int> Applied { get; } = [];

        public List<int> Batches { get; } = [];

        public async ValueTask CommitAsync(ReadOnlyMemory<Operation> batch)
        {
            _entered.TrySetResult();
            OnCommit?.Invoke();
            Batches.Add(batch.Length);
            if (Gate is not null)
            {
                await Gate.Task;
            }

            if (Yields)
            {
                await Task.Yield();
            }

            if (Outage is not null)
            {
                throw Outage;
            }

            var numbers = new List<int>();
            foreach (var operation in batch.ToArray())
            {
                if (operation.Number == Poison)
                {
                    throw new InvalidOperationException("poison");
                }

                if (operation.Number == Refused)
                {
                    operation.Fail(new QueueFullException("q", "maxLength 1"));
                }
                else
                {
                    numbers.Add(operation.Number);
                }
            }

            Applied.AddRange(numbers);
        }

        public bool IsWorthIsolating(Exception failure) => true;
    }
}
