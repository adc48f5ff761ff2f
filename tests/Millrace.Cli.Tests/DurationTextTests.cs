using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class DurationTextTests
{
    [Theory]
    [InlineData("90", 90_000)]
    [InlineData("0", 0)]
    [InlineData("500ms", 500)]
    [InlineData("1.5s", 1_500)]
    [InlineData("10m", 600_000)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("7d", 604_800_000)]
    [InlineData("1m500ms", 60_500)]
    public void Durations_AreNumbersWithUnits_SecondsWithout(string text, long milliseconds)
    {
        Assert.True(DurationText.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), duration);
    }

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("-5s")]
    [InlineData("5 s")]
    [InlineData("5w")]
    [InlineData("1.2.3s")]
    [InlineData("soon")]
    [InlineData("99999999999999999999d")]
    public void WhatIsNoDuration_IsRefused(string text) => Assert.False(DurationText.TryParse(text, out _));
}
