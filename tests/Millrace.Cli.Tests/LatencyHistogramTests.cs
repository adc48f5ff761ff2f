using Millrace.App.Bench;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class LatencyHistogramTests
{
    [Fact]
    public void Percentiles_AreThoseOfASortedList_ToOneStep()
    {
        var random = TestScale.CreateRandom();
        var times = Enumerable.Range(0, 10_000).Select(_ => (long)Math.Exp(random.NextDouble() * 43)).ToArray();
        var halves = new[] { new LatencyHistogram(), new LatencyHistogram() };
        for (var i = 0; i < times.Length; i++)
        {
            halves[i % 2].Add(times[i]);
        }

        halves[0].Add(halves[1]);
        Array.Sort(times);

        foreach (var part in (double[])[0.0001, 0.01, 0.5, 0.99, 0.999, 1])
        {
            var exact = times[(int)Math.Ceiling(part * times.Length) - 1];
            Assert.InRange(halves[0].At(part), exact, exact + (exact / 64));
        }

        Assert.Equal((10_000, times[^1]), (halves[0].Count, halves[0].Max));
    }

    [Fact]
    public void TheWholeRange_HasRoom()
    {
        var histogram = new LatencyHistogram();
        foreach (var time in (long[])[-1, 0, 1, 63, 64, 127, 128, long.MaxValue])
        {
            histogram.Add(time);
        }

        Assert.Equal((0, long.MaxValue, 8), (histogram.At(0.1), histogram.At(1), histogram.Count));
        Assert.Equal(0, new LatencyHistogram().At(0.5));
    }

    [Fact]
    public void ASetOfNumbers_KnowsWhatItHas_AlsoFarOut()
    {
        var set = new NumberSet();
        long[] numbers = [0, 31, 32, 1 << 20, 40L << 20];

        Assert.All(numbers, number => Assert.False(set.Contains(number)));
        Assert.All(numbers, number => Assert.True(set.Add(number)));
        Assert.All(numbers, number => Assert.False(set.Add(number)));
        Assert.All(numbers, number => Assert.True(set.Contains(number)));
        Assert.False(set.Contains(1));
    }
}
