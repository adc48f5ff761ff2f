using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text.Json;

namespace Millrace.Bench.Server;

/// <summary><c>millrace serve</c> on a free port; killed when it is disposed.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private static readonly string Command =
        typeof(ServerProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "MillraceCommand").Value!;

    private readonly Process _process;

    private ServerProcess(Process process, string url, double startMs) => (_process, Url, StartMs) = (process, url, startMs);

    public string Url { get; }

    /// <summary>From before the process was started until the server has answered that it is ready.</summary>
    public double StartMs { get; }

    /// <summary>Starts a server on a store and returns when it is ready.</summary>
    public static async Task<ServerProcess> StartAsync(string storeUrl, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Command, ["serve", "--json", "--url", storeUrl, "--listen", "http://127.0.0.1:0", "--log-level", "warning"]) { RedirectStandardOutput = true };
        var began = Stopwatch.GetTimestamp();
        var process = Process.Start(start)!;
        try
        {
            var line = await process.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("The server ended before it was ready.");
            var url = JsonElement.Parse(line).GetProperty("addresses")[0].GetString()!;
            using var client = new HttpClient();
            using var ready = await client.GetAsync(new Uri($"{url}/health/ready"), cancellationToken);
            ready.EnsureSuccessStatusCode();
            return new ServerProcess(process, url, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }
        catch
        {
            process.Kill();
            throw;
        }
    }

    /// <summary>The memory that the process has resident now.</summary>
    public double ResidentMegabytes()
    {
        var line = File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return double.Parse(line.AsSpan(6).Trim().TrimEnd("kB"), CultureInfo.InvariantCulture) / 1024;
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
