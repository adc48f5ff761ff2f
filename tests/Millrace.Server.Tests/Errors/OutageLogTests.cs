using Microsoft.Extensions.Logging;
using Millrace.Server.Errors;
using Millrace.Server.Tests.Security;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Errors;

/// <summary>What of an outage is in the log, and what of it only at debug.</summary>
public sealed class OutageLogTests : IAsyncDisposable
{
    private readonly ManualTimeProvider _clock = new();
    private readonly RecordedLog _log = new();
    private readonly SemaphoreSlim _probed = new(0);
    private readonly OutageLog _outages;
    private volatile bool _isHealthy;
    private int _requests;

    public OutageLogTests() => _outages = new OutageLog("orders", ProbeAsync, _clock, _log.CreateLogger("test"));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TheFirst_IsToldAtOnce_ThenHowManyMoreOnceAMinute_AndAllAreThereAtDebug()
    {
        Fail(100);
        Assert.Equal(["GET request 1 was answered with 503 unavailable: no store"], Texts(LogLevel.Warning));
        _clock.Advance(TimeSpan.FromSeconds(40));
        Fail(20);
        await LookAsync();
        Assert.Empty(_log.Of(2206));

        _clock.Advance(TimeSpan.FromSeconds(10));
        await _log.WaitForAsync(2206);
        Fail(3);
        _clock.Advance(OutageLog.Interval);
        await _log.WaitForAsync(2206, count: 2);

        Assert.Equal(
            [
                "GET request 1 was answered with 503 unavailable: no store",
                "119 more requests to the instance 'orders' were answered with 503 unavailable in 60 s, the last one GET request 120: no store",
                "3 more requests to the instance 'orders' were answered with 503 unavailable in 60 s, the last one GET request 123: no store",
            ],
            Texts(LogLevel.Warning));
        Assert.Equal(Enumerable.Range(1, 123), _log.Of(2205).Select(entry => int.Parse(entry.Values["RequestId"]!, System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Equal(122, _log.Of(2205).Count(entry => entry.Level == LogLevel.Debug));
    }

    [Fact]
    public async Task WhenItIsOver_ThatIsToldOnce_AndTheNextIsAFirstOneAgain()
    {
        Fail(1);
        _clock.Advance(OutageLog.QuietTime);
        Fail(2);
        await LookAsync();
        Assert.Empty(_log.Of(2207));

        _isHealthy = true;
        await LookAsync();
        await _log.WaitForAsync(2207);
        _clock.Advance(OutageLog.Interval);
        Fail(2);

        Assert.Equal(
            "The instance 'orders' answers no request with 503 unavailable any more. 3 were in 10 s, 2 of them since the last line about it.", Assert.Single(_log.Of(2207)).Text);
        Assert.Equal(2, Texts(LogLevel.Warning).Count);
        Assert.Empty(_log.Of(2206));
    }

    [Fact]
    public async Task ItIsNotOver_WhileRequestsFail_ThoughTheProbeSucceeds()
    {
        _isHealthy = true;
        for (var i = 0; i < 12; i++)
        {
            Fail(1);
            _clock.Advance(TimeSpan.FromSeconds(9));
        }

        await _log.WaitForAsync(2206);
        Assert.Empty(_log.Of(2207));
        Assert.Single(_log.Of(2205), entry => entry.Level == LogLevel.Warning);

        _clock.Advance(OutageLog.QuietTime);
        await _log.WaitForAsync(2207);
    }

    [Fact]
    public async Task WithoutAnotherRequest_WhatWasLeftOutIsToldAllTheSame()
    {
        Fail(5);

        _clock.Advance(OutageLog.Interval);

        Assert.StartsWith("4 more requests", (await _log.WaitForAsync(2206)).Text, StringComparison.Ordinal);
        _clock.Advance(OutageLog.Interval * 10);
        await LookAsync();
        Assert.Single(_log.Of(2206));
    }

    [Fact]
    public async Task AnotherKindOfFault_IsToldByItself()
    {
        Fail(3);
        Fail(4, new FailedRequest("POST", "x", 502, "backend-error", "refused"));

        _clock.Advance(OutageLog.Interval);
        await _log.WaitForAsync(2206, count: 2);

        Assert.Equal(["unavailable", "backend-error"], _log.Of(2205).Where(entry => entry.Level == LogLevel.Warning).Select(entry => entry.Values["Code"]));
        Assert.Equal(["2", "3"], _log.Of(2206).Select(entry => entry.Values["Count"]));
        _isHealthy = true;
        await LookAsync();
        await _log.WaitForAsync(2207, count: 2);
    }

    [Fact]
    public async Task AtTheEnd_WhatWasLeftOutIsTold()
    {
        Fail(3);
        _clock.Advance(TimeSpan.FromSeconds(1));

        await _outages.DisposeAsync();
        await _outages.DisposeAsync();

        Assert.Equal(
            "2 more requests to the instance 'orders' were answered with 503 unavailable in 1 s, the last one GET request 3: no store", Assert.Single(_log.Of(2206)).Text);
    }

    public async ValueTask DisposeAsync()
    {
        await _outages.DisposeAsync();
        _probed.Dispose();
    }

    private void Fail(int count, FailedRequest? request = null)
    {
        for (var i = 0; i < count; i++)
        {
            _outages.Report(request ?? new FailedRequest("GET", (++_requests).ToString(System.Globalization.CultureInfo.InvariantCulture), 503, "unavailable", "no store"));
        }
    }

    /// <summary>Goes on by the quiet time, until there has been a look that made a probe. A look follows each tick, however late.</summary>
    private async Task LookAsync()
    {
        while (_probed.Wait(0, Token))
        {
        }

        _clock.Advance(OutageLog.QuietTime);
        await _probed.WaitAsync(TestScale.Patience, Token);
    }

    private List<string> Texts(LogLevel level) => [.. _log.Of(2205, 2206, 2207).Where(entry => entry.Level == level).Select(entry => entry.Text)];

    private ValueTask<bool> ProbeAsync(CancellationToken cancellationToken)
    {
        var isHealthy = _isHealthy;
        _probed.Release();
        return new(isHealthy);
    }
}
