using System.Diagnostics;
using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>The layout of keys and values, as docs/formats.md describes it, read by another client in another language.</summary>
public sealed class LayoutTests
{
    [Fact]
    public async Task Python_ReadsLocksStateChannelsAndStreams()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var server = await RedisFixture.Server;
        await using var backend = await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?prefix=layout"), new BackendContext(), cancellation);
        var grant = await backend.Locks!.TryAcquireAsync("l", "me", TimeSpan.FromMinutes(1), cancellation);
        var b = await backend.State!.PutAsync("b", "2"u8.ToArray(), null, cancellation);
        var a = await backend.State!.PutAsync("a", "1:1"u8.ToArray(), null, cancellation);
        var headers = MessageHeaders.Of(("h", "v"), ("ü", "x"));
        var id = await backend.Channels!.PublishAsync("t", new Envelope("hello"u8.ToArray()) { ContentType = "text/plain", Headers = headers }, cancellation);
        await using var partition = await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1 }, cancellation);
        var instant = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        StreamRecord[] records = [new() { Body = "one"u8.ToArray(), Timestamp = instant }, new() { Key = "k"u8.ToArray(), Body = "two"u8.ToArray(), Headers = headers, Timestamp = instant }];
        await partition.AppendAsync(new AppendRequest(records), cancellation);
        await partition.AppendAsync(new AppendRequest(records.AsMemory(1)), cancellation);

        string[] expected =
        [
            $"lock me {grant!.FencingToken}",
            $"state a {a.Version} 1:1",
            $"state b {b.Version} 2",
            $"channel {id} t text/plain h=v,ü=x hello",
            $"record 0 {instant.Ticks}   one",
            $"record 1 {instant.Ticks} k h=v,ü=x two",
            $"record 2 {instant.Ticks} k h=v,ü=x two",
        ];
        Assert.Equal(expected, await RunAsync("read_shapes.py", server.Port, "layout", cancellation));
    }

    internal static async Task<string[]> RunAsync(string script, int port, string prefix, CancellationToken cancellation)
    {
        // Debian's own Python, which has Debian's packages.
        var start = new ProcessStartInfo("/usr/bin/python3")
        {
            ArgumentList = { Path.Combine(AppContext.BaseDirectory, script), port.ToString(CultureInfo.InvariantCulture), prefix },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PYTHONIOENCODING"] = "utf-8" },
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(cancellation);
        var output = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        Assert.True(process.ExitCode == 0, await error);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
