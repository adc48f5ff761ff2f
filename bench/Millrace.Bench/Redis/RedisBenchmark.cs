using System.Diagnostics;
using System.Globalization;

namespace Millrace.Bench.Redis;

/// <summary>Redis' own load generator: what the server can do for a client that costs almost nothing.</summary>
internal static class RedisBenchmark
{
    /// <summary>SETs of 100 bytes, 32 in flight on each of 50 connections.</summary>
    public static async Task<double> SetsPerSecondAsync(int port, CancellationToken cancellationToken)
    {
        string[] arguments = ["-h", "127.0.0.1", "-p", port.ToString(CultureInfo.InvariantCulture), "-t", "set", "-n", "3000000", "-P", "32", "-d", "100", "--csv"];
        using var process = Process.Start(new ProcessStartInfo("redis-benchmark", arguments) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        var line = output.Split('\n').FirstOrDefault(line => line.StartsWith("\"SET\"", StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"redis-benchmark gave no figure: {output}");
        return double.Parse(line.Split(',')[1].Trim('"'), CultureInfo.InvariantCulture);
    }
}
