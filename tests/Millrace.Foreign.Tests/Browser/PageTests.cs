using Xunit;

namespace Millrace.Foreign.Tests.Browser;

/// <summary>The sample page in headless Chromium, served as its reader would serve it.</summary>
public sealed class PageTests : IDisposable
{
    private const string Chromium = "/usr/bin/chromium";

    private static readonly string Sample = Path.Combine(RunningProcess.RepositoryRoot, "samples/StompPage");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-page-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task ThePage_ShowsPrices_SendsAnOrder_AndSaysWhenTheBrokerIsGone()
    {
        var (sample, url, _) = await StartSampleAsync();
        await using var running = sample;
        var screenshot = Environment.GetEnvironmentVariable("MILLRACE_SCREENSHOT") ?? Path.Combine(_folder.FullName, "page.png");
        await using var browser = await Script.StartNodeAsync("page.mjs", Chromium, url, screenshot);

        var said = await browser.ReadAsync();
        Assert.Equal("FLOUR,GRIST,SLUICE,WHEEL", string.Join(',', said.GetProperty("symbols").EnumerateArray()));
        Assert.Matches(@"^1\. 25 × GRISTfilled at \d+\.\d\d, \d+\.\d\d in all$", said.GetProperty("order").GetString());
        Assert.Empty(said.GetProperty("faults").EnumerateArray());
        Assert.All(said.GetProperty("requests").EnumerateArray(), request => Assert.StartsWith(url, request.GetString(), StringComparison.Ordinal));
        Assert.Equal(1, said.GetProperty("sockets").GetInt32());

        await sample.KillAsync();
        await browser.GoOnAsync();
        Assert.Equal("""{"lost":"not connected, trying again…","disabled":true}""", $"{await browser.ReadAsync()}");
        Assert.Empty(await browser.FinishAsync());
    }

    [Fact]
    public async Task APageOfAnotherOrigin_GetsNoSocket_UnlessItIsAllowed()
    {
        using var store = new StoreFolder();
        await using var node = await RunningNode.StartAsync(store.Path, ["--url", "memory:", "--stomp", "stomp://127.0.0.1:0"]);
        var (sample, page, broker) = await StartSampleAsync();
        await using var running = sample;

        Assert.Equal("""{"outcome":"refused"}""", await OpenAsync($"ws://127.0.0.1:{node.Address.Port}/stomp"));
        Assert.Equal("""{"outcome":"open"}""", await OpenAsync(broker));

        async Task<string> OpenAsync(string socket) => $"{Assert.Single(await Script.RunNodeAsync("foreign.mjs", Chromium, page, socket))}";
    }

    private static async Task<(RunningProcess Sample, string Url, string Broker)> StartSampleAsync()
    {
        await NodePackages.InstallAsync(Sample);
        var ready = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var sample = RunningProcess.Start(
            Sample,
            RunningProcess.Metadata("StompPage"),
            ["--urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "None"],
            onLine: line => _ = line.StartsWith("The page is at", StringComparison.Ordinal) && ready.TrySetResult(line));
        await Task.WhenAny(ready.Task, sample.Output).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.True(ready.Task.IsCompleted, sample.ErrorSoFar);
        var words = (await ready.Task).Split(' ');
        return (sample, words[4].TrimEnd(',', '.'), words[8]);
    }
}
