using System.Diagnostics;

namespace Millrace.Bench.Server;

/// <summary>The baseline of the HTTP cases: the framework's own client and server exchanging next to nothing.</summary>
internal static class BareExchange
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);

    /// <summary>Requests a second by so many callers at once, each waiting for its answer.</summary>
    public static async Task<double> MeasureAsync(string url, int callers, CancellationToken cancellationToken)
    {
        using var client = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, UseCookies = false });
        var uri = new Uri($"{url}/health/live");
        await RunAsync(client, uri, callers, WarmUp, cancellationToken);
        return await RunAsync(client, uri, callers, Duration, cancellationToken);
    }

    private static async Task<double> RunAsync(HttpMessageInvoker client, Uri uri, int callers, TimeSpan duration, CancellationToken cancellationToken)
    {
        var count = 0L;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(
            async () =>
            {
                while (watch.Elapsed < duration)
                {
                    using var request = new HttpRequestMessage(HttpMethod.Get, uri);
                    using var response = await client.SendAsync(request, cancellationToken);
                    await response.Content.CopyToAsync(Stream.Null, cancellationToken);
                    Interlocked.Increment(ref count);
                }
            },
            cancellationToken)));
        return count / watch.Elapsed.TotalSeconds;
    }
}
