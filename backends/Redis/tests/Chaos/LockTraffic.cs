using System.Collections.Concurrent;
using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Takes and gives back one lock, whatever happens to the servers, and sees to it that its fencing tokens rise (law K2).</summary>
internal sealed class LockTraffic(ILockStore store, string name)
{
    private static readonly TimeSpan Lease = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(2);

    private readonly ConcurrentQueue<string> _violations = new();
    private readonly ConcurrentDictionary<long, string> _owners = new();
    private readonly Lock _gate = new();
    private long _highest;
    private long _grants;

    public FaultLog Faults { get; } = new();

    public long Grants => Interlocked.Read(ref _grants);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public IEnumerable<Task> Start(int owners, CancellationToken stop) => [.. Enumerable.Range(0, owners).Select(i => Task.Run(() => UseAsync(i, stop), Cancellation))];

    public void AssertTokensRose()
    {
        Faults.AssertNoneWrong();
        Assert.Empty(_violations);
        Assert.True(Grants > 0);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"lock '{name}': {Grants} grants, last token {_highest}; {Faults}");

    private async Task UseAsync(int number, CancellationToken stop)
    {
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            try
            {
                await UseOnceAsync(string.Create(CultureInfo.InvariantCulture, $"{number}/{i}"));
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                Faults.Add("lock", fault);
            }

            await Task.Delay(Pace, TimeProvider.System, Cancellation);
        }
    }

    private async Task UseOnceAsync(string owner)
    {
        long before;
        lock (_gate)
        {
            before = _highest;
        }

        if (await store.TryAcquireAsync(name, owner, Lease, Cancellation) is not { } grant)
        {
            return;
        }

        Interlocked.Increment(ref _grants);
        lock (_gate)
        {
            // What was granted before this was asked for is older than this grant.
            if (grant.FencingToken <= before)
            {
                _violations.Enqueue($"The token {grant.FencingToken} of '{owner}' came after {before}.");
            }

            _highest = Math.Max(_highest, grant.FencingToken);
        }

        if (_owners.GetOrAdd(grant.FencingToken, owner) is var first && first != owner)
        {
            _violations.Enqueue($"The token {grant.FencingToken} was granted to '{first}' and to '{owner}'.");
        }

        await store.ReleaseAsync(name, owner, grant.FencingToken, Cancellation);
    }
}
