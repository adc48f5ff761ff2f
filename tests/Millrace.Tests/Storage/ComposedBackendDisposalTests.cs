using Millrace.Storage;
using Millrace.Storage.Engine;
using Xunit;

namespace Millrace.Tests.Storage;

/// <summary>A store that cannot be closed keeps no other one open.</summary>
public sealed class ComposedBackendDisposalTests
{
    [Fact]
    public async Task All_stores_are_closed_and_the_first_failure_is_told()
    {
        using var state = new StateEngine();
        var backend = new ComposedBackend("composed", [new FailingLocks(), state]);

        var failure = await Assert.ThrowsAsync<IOException>(async () => await backend.DisposeAsync());

        Assert.Equal("cannot close", failure.Message);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await state.GetAsync("a", TestContext.Current.CancellationToken));
    }

    private sealed class FailingLocks : ILockStore, IDisposable
    {
        public ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public void Dispose() => throw new IOException("cannot close");
    }
}
