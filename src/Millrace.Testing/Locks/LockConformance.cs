using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Locks;

/// <summary>
/// The laws K1–K3 and K5 of <see cref="ILockStore"/>. Derive from it to prove a lock store. K4, renewal and loss by <see cref="CancellationToken"/>, is the client's and is tested
/// with it.
/// </summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract class LockConformance<TFixture> : ConformanceSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    private const string A = "owner a";
    private const string B = "owner b";
    private readonly string _name = "l-" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    private ILockStore Locks => Contract<ILockStore>();

    [Fact]
    public async Task K1_ALock_HasOneHolder()
    {
        Assert.NotNull(await AcquireAsync(A));
        Assert.Null(await AcquireAsync(B));
        var holder = (await InspectAsync())!;
        Assert.Equal(A, holder.Owner);
        Assert.InRange(holder.Remaining, TimeSpan.Zero, Clock.LongLease);
    }

    [Fact]
    public async Task K1_OfManyRivals_OneHoldsTheLock()
    {
        for (var round = 0; round < 20; round++)
        {
            var grants = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(async () => (Owner: $"o{i}", Grant: await AcquireAsync($"o{i}")), Cancellation)));
            var (owner, grant) = Assert.Single(grants, one => one.Grant is not null);
            Assert.True(await ReleaseAsync(owner, grant!));
        }
    }

    [Fact]
    public async Task K1_ALock_EndsWithItsLease_ByTheStoresClock()
    {
        var grant = (await AcquireAsync(A, Clock.Unit))!;
        Assert.Equal(Clock.Unit, grant.LeaseDuration);
        await PassAlmostAsync(Clock.Unit);
        Assert.Null(await AcquireAsync(B));
        await PassAsync(Clock.Unit);
        Assert.Null(await InspectAsync());
        Assert.False(await RenewAsync(A, grant));
        Assert.NotNull(await AcquireAsync(B));
        Assert.False(await ReleaseAsync(A, grant));
        Assert.Equal(B, (await InspectAsync())!.Owner);
    }

    [Fact]
    public async Task K1_Names_AreIndependent_AndTheirCaseCounts()
    {
        Assert.NotNull(await AcquireAsync(A));
        Assert.NotNull(await Soon(Locks.TryAcquireAsync(_name.ToUpperInvariant(), B, Clock.LongLease, Cancellation)));
        Assert.NotNull(await Soon(Locks.TryAcquireAsync(_name + "-2", B, Clock.LongLease, Cancellation)));
    }

    [Fact]
    public async Task K1_Inspecting_ShowsTheHolderAndWhatRemains()
    {
        Assert.Null(await InspectAsync());
        var grant = (await AcquireAsync(A, 2 * Clock.Unit))!;
        await PassAsync(Clock.Unit);
        var holder = (await InspectAsync())!;
        Assert.Equal((A, grant.FencingToken), (holder.Owner, holder.FencingToken));
        Assert.InRange(holder.Remaining, Clock.Unit - (2 * Clock.Margin) - TimeSpan.FromMilliseconds(1), Clock.Unit);
        await ReleaseAsync(A, grant);
        Assert.Null(await InspectAsync());
    }

    [Fact]
    public async Task K2_TheFencingToken_RisesWithEveryGrant()
    {
        var last = long.MinValue;
        for (var i = 0; i < 6; i++)
        {
            var owner = i % 2 == 0 ? A : B;
            var grant = (await AcquireAsync(owner, Clock.Unit))!;
            Assert.True(grant.FencingToken > last, $"{grant.FencingToken} after {last}");
            last = grant.FencingToken;
            if (i % 3 == 0)
            {
                await ReleaseAsync(owner, grant);
            }
            else
            {
                await PassAsync(Clock.Unit);
            }
        }
    }

    [Fact]
    public async Task K2_TheFencingToken_RisesAlsoForAnOwnerThatComesBack()
    {
        var first = (await AcquireAsync(A, Clock.Unit))!;
        await PassAsync(Clock.Unit);
        var second = (await AcquireAsync(A))!;
        Assert.True(second.FencingToken > first.FencingToken);
        await ReleaseAsync(A, second);
        Assert.True((await AcquireAsync(A))!.FencingToken > second.FencingToken);
    }

    [Fact]
    public async Task K2_TheFencingToken_RisesAcrossReopening()
    {
        RequireReopening();
        var last = (await AcquireAsync(A, Clock.Unit))!.FencingToken;
        for (var i = 0; i < 2; i++)
        {
            await CrashAsync();
            await PassAsync(Clock.Unit);
            var grant = (await AcquireAsync(B, Clock.Unit))!;
            Assert.True(grant.FencingToken > last, $"{grant.FencingToken} after {last}");
            last = grant.FencingToken;
            await ReopenAsync();
            await PassAsync(Clock.Unit);
        }
    }

    [Fact]
    public async Task K3_Acquiring_IsIdempotentPerOwner_AndProlongs()
    {
        var first = (await AcquireAsync(A, 2 * Clock.Unit))!;
        await PassAsync(Clock.Unit);
        var again = (await AcquireAsync(A, 2 * Clock.Unit))!;
        Assert.Equal(first.FencingToken, again.FencingToken);
        await PassAsync(Clock.Unit);
        Assert.Null(await AcquireAsync(B));
        Assert.True(await RenewAsync(A, first));
    }

    [Fact]
    public async Task K3_OnlyTheHolder_Renews()
    {
        var grant = (await AcquireAsync(A, 2 * Clock.Unit))!;
        Assert.False(await RenewAsync(B, grant));
        Assert.False(await RenewAsync(A, grant with { FencingToken = grant.FencingToken + 1 }));
        Assert.False(await RenewAsync(A, grant with { FencingToken = grant.FencingToken - 1 }));
        await PassAsync(Clock.Unit);
        Assert.True(await Soon(Locks.RenewAsync(_name, A, grant.FencingToken, 2 * Clock.Unit, Cancellation)));
        await PassAsync(Clock.Unit);
        Assert.Null(await AcquireAsync(B));
    }

    [Fact]
    public async Task K3_OnlyTheHolder_Releases()
    {
        var grant = (await AcquireAsync(A))!;
        Assert.False(await ReleaseAsync(B, grant));
        Assert.False(await ReleaseAsync(A, grant with { FencingToken = grant.FencingToken + 1 }));
        Assert.Null(await AcquireAsync(B));
        Assert.True(await ReleaseAsync(A, grant));
        Assert.False(await ReleaseAsync(A, grant));
        Assert.NotNull(await AcquireAsync(B));
    }

    [Fact]
    public async Task K3_AnOldGrant_NeitherRenewsNorReleasesTheNextOneOfTheSameOwner()
    {
        var old = (await AcquireAsync(A, Clock.Unit))!;
        await PassAsync(Clock.Unit);
        await AcquireAsync(A);
        Assert.False(await RenewAsync(A, old));
        Assert.False(await ReleaseAsync(A, old));
        Assert.Null(await AcquireAsync(B));
    }

    [Fact]
    public async Task K3_BadInput_IsRefused()
    {
        var grant = (await AcquireAsync(A))!;
        foreach (var name in new[] { "", "a\nb", "a!b", new string('x', 201) })
        {
            await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Locks.TryAcquireAsync(name, A, Clock.LongLease, Cancellation)));
        }

        foreach (var owner in new[] { "", "a\nb", new string('x', 201) })
        {
            await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Locks.TryAcquireAsync(_name + "-2", owner, Clock.LongLease, Cancellation)));
        }

        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Locks.TryAcquireAsync(_name + "-2", A, TimeSpan.Zero, Cancellation)));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Locks.RenewAsync(_name, A, grant.FencingToken, TimeSpan.FromSeconds(-1), Cancellation)));
        Assert.Equal(A, (await InspectAsync())!.Owner);
    }

    [Fact]
    public async Task K5_AWaiter_WakesOnRelease()
    {
        var grant = (await AcquireAsync(A))!;
        var waiting = WaitForReleaseAsync();
        await StillWaits(waiting);
        await ReleaseAsync(A, grant);
        await Soon(waiting);
        Assert.NotNull(await AcquireAsync(B));
    }

    [Fact]
    public async Task K5_AWaiter_WakesWhenTheLeaseEnds()
    {
        await AcquireAsync(A, Clock.Unit);
        var waiting = WaitForReleaseAsync();
        await StillWaits(waiting);
        await Within(2 * Clock.Unit, waiting);
        Assert.NotNull(await AcquireAsync(B));
    }

    [Fact]
    public async Task K5_WaitingForAFreeLock_ReturnsAtOnce()
    {
        await Soon(WaitForReleaseAsync());
        await ReleaseAsync(A, (await AcquireAsync(A))!);
        await Soon(WaitForReleaseAsync());
        await AcquireAsync(A, Clock.Unit);
        await PassAsync(Clock.Unit);
        await Soon(WaitForReleaseAsync());
    }

    [Fact]
    public async Task K5_AWaiter_CanBeCancelled()
    {
        await AcquireAsync(A);
        using var cancellation = new CancellationTokenSource();
        var waiting = Locks.WaitForReleaseAsync(_name, cancellation.Token).AsTask();
        await StillWaits(waiting);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(waiting));
    }

    [Fact]
    public async Task K5_ManyRivals_TakeTheLockInTurn_AndNoneStarves()
    {
        var inside = 0;
        var tokens = new List<long>();
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(
            async () =>
            {
                for (var round = 0; round < 5; round++)
                {
                    LockGrant? grant;
                    while ((grant = await AcquireAsync($"o{i}")) is null)
                    {
                        await Soon(WaitForReleaseAsync());
                    }

                    Assert.Equal(1, Interlocked.Increment(ref inside));
                    tokens.Add(grant.FencingToken);
                    await Task.Yield();
                    Interlocked.Decrement(ref inside);
                    Assert.True(await ReleaseAsync($"o{i}", grant));
                }
            },
            Cancellation)));
        Assert.Equal(30, tokens.Count);
        Assert.Equal(tokens.Order(), tokens);
    }

    private Task<LockGrant?> AcquireAsync(string owner, TimeSpan? lease = null) => Soon(Locks.TryAcquireAsync(_name, owner, lease ?? Clock.LongLease, Cancellation));

    private Task<bool> RenewAsync(string owner, LockGrant grant) => Soon(Locks.RenewAsync(_name, owner, grant.FencingToken, Clock.LongLease, Cancellation));

    private Task<bool> ReleaseAsync(string owner, LockGrant grant) => Soon(Locks.ReleaseAsync(_name, owner, grant.FencingToken, Cancellation));

    private Task<LockHolder?> InspectAsync() => Soon(Locks.InspectAsync(_name, Cancellation));

    private Task WaitForReleaseAsync() => Locks.WaitForReleaseAsync(_name, Cancellation).AsTask();
}
