using System.Diagnostics;
using System.Reflection;
using System.Text.Json;

namespace Millrace.Bench.Server;

/// <summary><c>millrace serve</c> on free ports; killed when it is disposed.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private static readonly string Command =
        typeof(ServerProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "MillraceCommand").Value!;

    private readonly Process _process;
    private readonly string[] _addresses;

    private ServerProcess(Process process, string[] addresses, double startMs) => (_process, _addresses, StartMs) = (process, addresses, startMs);

    /// <summary>Where it answers HTTP.</summary>
    public string Url => AddressOf("http");

    public int Id => _process.Id;

    /// <summary>From before the process was started until the server has answered that it is ready.</summary>
    public double StartMs { get; }

    /// <summary>Starts a server on a store and returns when it is ready.</summary>
    public static Task<ServerProcess> StartAsync(string storeUrl, CancellationToken cancellationToken) => StartAsync(storeUrl, [], cancellationToken);

    /// <summary>Starts a server with further options, such as more addresses to listen on.</summary>
    public static async Task<ServerProcess> StartAsync(string storeUrl, IReadOnlyList<string> options, CancellationToken cancellationToken)
    {
        string[] arguments = ["serve", "--json", "--url", storeUrl, "--listen", "http://127.0.0.1:0", "--log-level", "warning", .. options];
        var start = new ProcessStartInfo(Command, arguments) { RedirectStandardOutput = true };
        var began = Stopwatch.GetTimestamp();
        var process = Process.Start(start)!;
        try
        {
            var line = await process.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("The server ended before it was ready.");
            string[] addresses = [.. JsonElement.Parse(line).GetProperty("addresses").EnumerateArray().Select(address => address.GetString()!)];
            using var client = new HttpClient();
            using var ready = await client.GetAsync(new Uri($"{AddressOf(addresses, "http")}/health/ready"), cancellationToken);
            ready.EnsureSuccessStatusCode();
            return new ServerProcess(process, addresses, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }
        catch
        {
            process.Kill();
            throw;
        }
    }

    /// <summary>Where it listens for a protocol, as it says itself.</summary>
    public string AddressOf(string scheme) => AddressOf(_addresses, scheme);

    /// <summary>The memory that the process has resident now.</summary>
    public double ResidentMegabytes() => ProcessUsage.ResidentMegabytes(_process.Id);

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static string AddressOf(string[] addresses, string scheme) =>
        Array.Find(addresses, address => address.StartsWith($"{scheme}://", StringComparison.Ordinal))
        ?? throw new InvalidOperationException($"The server has no {scheme} address: it listens on {string.Join(", ", addresses)}.");
}
