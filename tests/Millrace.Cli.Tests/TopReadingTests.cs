using Millrace.App.Top;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>Rates from counters, and readings on screens of any size.</summary>
public sealed class TopReadingTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;
    private static readonly TopRequest Request = new("", TopColumn.Ready, TimeSpan.FromSeconds(1), null, null);

    [Fact]
    public async Task Rates_ComeFromTheCountersOfTwoReadings()
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync("memory:", cancellationToken: Token);
        var clock = new StepClock();
        var reader = new TopReader(backend.Require<IQueueAdmin>(), "", clock);
        await SendAsync(backend, 1);

        var first = await reader.ReadAsync(10, Token);
        clock.Advance(TimeSpan.FromSeconds(4));
        await SendAsync(backend, 10);
        var second = await reader.ReadAsync(10, Token);

        Assert.Null(Assert.Single(first.Rows).InPerSecond);
        Assert.Equal((2.5, 0.0), (second.Rows[0].InPerSecond, second.Rows[0].OutPerSecond));
    }

    [Fact]
    public async Task CountersThatBeginAnew_MakeNoRate()
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync("memory:", cancellationToken: Token);
        var clock = new StepClock();
        var admin = backend.Require<IQueueAdmin>();
        var reader = new TopReader(admin, "", clock);
        await SendAsync(backend, 5);
        await reader.ReadAsync(10, Token);

        // As after a restart of a server whose engine keeps no counters.
        await admin.DeleteQueueAsync("q", Token);
        await SendAsync(backend, 2);
        clock.Advance(TimeSpan.FromSeconds(1));
        var anew = await reader.ReadAsync(10, Token);
        clock.Advance(TimeSpan.FromSeconds(1));
        await SendAsync(backend, 2);
        var next = await reader.ReadAsync(10, Token);

        Assert.Equal((null, null), (anew.Rows[0].InPerSecond, anew.Rows[0].OutPerSecond));
        Assert.Equal(2, next.Rows[0].InPerSecond);
    }

    [Theory]
    [InlineData(80, 24)]
    [InlineData(40, 8)]
    [InlineData(200, 60)]
    [InlineData(13, 5)]
    [InlineData(1, 1)]
    [InlineData(80, 3)]
    public void AFrame_NeverExceedsTheScreen(int width, int height)
    {
        foreach (var trouble in (string?[])[null, "Not read for 5s: " + new string('x', 300)])
        {
            var lines = TopFrame.Compose(NewReading(30), Request, "sqlite", trouble, new ScreenSize(width, height));

            Assert.InRange(lines.Count, 1, height);
            Assert.All(lines, line => Assert.Equal(width, CellText.WidthOf(WithoutStyle(line))));
        }
    }

    [Fact]
    public void AFrame_SaysHowManyQueuesItHasNoRoomFor()
    {
        var cut = TopFrame.Compose(NewReading(30), Request, "sqlite", null, new ScreenSize(100, 10)).Select(line => WithoutStyle(line).TrimEnd()).ToList();
        var whole = TopFrame.Compose(NewReading(6), Request, "sqlite", null, new ScreenSize(100, 10));

        Assert.Equal(10, cut.Count);
        Assert.StartsWith("QUEUE", cut[3], StringComparison.Ordinal);
        Assert.Contains("queue-29", cut[4], StringComparison.Ordinal);
        Assert.Equal("25 more queues are not shown.", cut[9]);
        Assert.Equal(10, whole.Count);
    }

    [Fact]
    public void Names_GiveWayToNumbers()
    {
        var row = new TopRow("größe-日本語-キュー", new QueueStats { Ready = 1_234_567 }, 1234, null);

        var line = TopFrame.Compose(new TopReading(default, [row], false), Request, "sqlite", null, new ScreenSize(70, 10))[4];

        Assert.StartsWith("größe-日本…", line, StringComparison.Ordinal);
        Assert.Matches(@" 1,234,567 +0 +0 +0 +1,234 +- +-$", line);
    }

    private static TopReading NewReading(int queues) => new(
        DateTimeOffset.UnixEpoch,
        [.. Enumerable.Range(0, queues).Select(number => new TopRow($"queue-{number:00}", new QueueStats { Ready = number }, number, null))],
        IsCut: false);

    private static string WithoutStyle(string line) => System.Text.RegularExpressions.Regex.Replace(line, "\e\\[[0-9]*m", "");

    private static async Task SendAsync(Backend backend, int count) =>
        await backend.Require<IQueueStore>().EnqueueAsync("q", Enumerable.Repeat(new Envelope("x"u8.ToArray()), count).ToArray(), default, Token);

    /// <summary>Stands still between steps.</summary>
    private sealed class StepClock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }
}
