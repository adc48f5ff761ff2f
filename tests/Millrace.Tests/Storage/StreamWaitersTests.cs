using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage;

public sealed class StreamWaitersTests
{
    private static readonly TimeSpan SafetyTimeout = TestScale.Patience;

    private readonly StreamWaiters _waiters = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ACancelledWait_LeavesNothing()
    {
        using var cancellation = new CancellationTokenSource();
        var waits = Enumerable.Range(0, 100).Select(i => _waiters.WaitAsync(i, cancellation.Token).AsTask()).ToArray();
        Assert.Equal(100, _waiters.Count);
        await cancellation.CancelAsync();
        foreach (var wait in waits)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.WaitAsync(SafetyTimeout, Cancellation));
        }

        Assert.Equal(0, _waiters.Count);
    }

    [Fact]
    public async Task AWaitOfAClosedOpening_LeavesNothing()
    {
        using var closing = new CancellationTokenSource();
        var wait = _waiters.WaitAsync(0, Cancellation, closing.Token).AsTask();
        await closing.CancelAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => wait.WaitAsync(SafetyTimeout, Cancellation));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => _waiters.WaitAsync(0, Cancellation, closing.Token).AsTask());
        Assert.Equal(0, _waiters.Count);
    }

    [Fact]
    public async Task Advancing_WakesWhoWaitedForLess_AndNobodyElse()
    {
        var waits = Enumerable.Range(0, 10).Select(i => _waiters.WaitAsync(i, Cancellation).AsTask()).ToArray();
        _waiters.Advance(4);
        await Task.WhenAll(waits[..4]).WaitAsync(SafetyTimeout, Cancellation);
        Assert.All(waits[4..], wait => Assert.False(wait.IsCompleted));
        Assert.Equal(6, _waiters.Count);
        _waiters.Advance(10);
        await Task.WhenAll(waits).WaitAsync(SafetyTimeout, Cancellation);
        Assert.Equal(0, _waiters.Count);
    }

    [Fact]
    public void EndsThatAreReportedOutOfOrder_NeverGoBack()
    {
        _waiters.Advance(7);
        _waiters.Advance(3);
        Assert.True(_waiters.WaitAsync(6, Cancellation).AsTask().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task AFailure_EndsEveryWait_AlsoLaterOnes()
    {
        var wait = _waiters.WaitAsync(0, Cancellation).AsTask();
        _waiters.Fail(new BackendUnavailableException("gone"));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => wait.WaitAsync(SafetyTimeout, Cancellation));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => _waiters.WaitAsync(9, Cancellation).AsTask());
    }

    [Fact]
    public async Task WaitsBesideAppends_AreNeverMissed()
    {
        const int Rounds = 20_000;
        var appending = Task.Run(
            () =>
            {
                for (var end = 1; end <= Rounds; end++)
                {
                    _waiters.Advance(end);
                }
            },
            Cancellation);
        for (var offset = 0; offset < Rounds; offset++)
        {
            await _waiters.WaitAsync(offset, Cancellation).AsTask().WaitAsync(SafetyTimeout, Cancellation);
        }

        await appending;
        Assert.Equal(0, _waiters.Count);
    }
}
