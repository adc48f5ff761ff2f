using Millrace.Storage;
using Millrace.Storage.Engine;
using Xunit;

namespace Millrace.Tests.Storage.Engine;

public sealed class DedupWindowTests
{
    private readonly DedupWindow _window = new();

    [Fact]
    public void AnEmptyWindow_KnowsNothing()
    {
        Assert.False(_window.Contains(1));
        Assert.Equal(MonotonicClock.Never, _window.OldestSettledAt);
        _window.ForgetUntil(long.MaxValue);
        Assert.Equal(0, _window.Trim(0));
    }

    [Fact]
    public void Q2_BeyondTheCount_TheOldestIsForgotten_AndCounted()
    {
        for (var id = 1; id <= 10; id++)
        {
            Assert.Equal(id <= 3 ? 0 : 1, _window.Add((UInt128)id, id, maxEntries: 3));
        }

        Assert.Equal(3, _window.Count);
        Assert.Equal([8, 9, 10], Enumerable.Range(1, 10).Where(id => _window.Contains((UInt128)id)));
    }

    [Fact]
    public void Q2_BeyondTheAge_IdsAreForgotten()
    {
        for (var id = 1; id <= 100; id++)
        {
            _window.Add((UInt128)id, settledAt: id, maxEntries: 1000);
        }

        _window.ForgetUntil(60);

        Assert.Equal(Enumerable.Range(61, 40), Enumerable.Range(1, 100).Where(id => _window.Contains((UInt128)id)));
        Assert.Equal(61, _window.OldestSettledAt);
    }

    [Fact]
    public void AnIdThatIsAddedAgain_CountsFromThen_AndOnce()
    {
        _window.Add(1, 1, maxEntries: 2);
        _window.Add(2, 2, maxEntries: 2);
        Assert.Equal(0, _window.Add(1, 3, maxEntries: 2));

        _window.ForgetUntil(2);

        Assert.True(_window.Contains(1));
        Assert.False(_window.Contains(2));
        Assert.Equal(1, _window.Count);
    }

    [Fact]
    public void WithRoomForNone_EveryIdIsEvicted()
    {
        Assert.Equal(1, _window.Add(1, 1, maxEntries: 0));
        Assert.False(_window.Contains(1));
    }

    [Fact]
    public void ASmallerCount_TrimsTheOldest()
    {
        for (var id = 1; id <= 10; id++)
        {
            _window.Add((UInt128)id, id, maxEntries: 10);
        }

        Assert.Equal(7, _window.Trim(3));
        Assert.False(_window.Contains(7));
        Assert.True(_window.Contains(8));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    public void RandomUse_MatchesAList(int seed)
    {
        // Few buckets on purpose: ids that differ only in their high half share one.
        var random = new Random(seed);
        var model = new List<(UInt128 Id, long At)>();
        for (var now = 1L; now <= 20_000; now++)
        {
            var id = new UInt128((ulong)random.Next(200), (ulong)random.Next(3));
            var max = random.Next(100) == 0 ? random.Next(1, 20) : 150;
            model.RemoveAll(entry => entry.Id == id);
            model.Add((id, now));
            var evicted = Math.Max(0, model.Count - max);
            model.RemoveRange(0, evicted);
            Assert.Equal(evicted, _window.Add(id, now, max));
            if (random.Next(50) == 0)
            {
                var until = now - random.Next(200);
                model.RemoveAll(entry => entry.At <= until);
                _window.ForgetUntil(until);
            }

            var probe = new UInt128((ulong)random.Next(200), (ulong)random.Next(3));
            Assert.Equal(model.Exists(entry => entry.Id == probe), _window.Contains(probe));
            Assert.Equal(model.Count, _window.Count);
            Assert.Equal(model.Count == 0 ? MonotonicClock.Never : model[0].At, _window.OldestSettledAt);
        }
    }
}
