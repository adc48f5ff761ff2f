using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Millrace.Bench.Queues;

namespace Millrace.Bench.Server;

/// <summary>One publisher, two hundred subscribers by server-sent events.</summary>
internal static class FanoutCase
{
    private const int Subscribers = 200;

    // How far the publisher is ahead of what has arrived, so that no buffer is full and nothing is dropped.
    private const int MaxAhead = 256;
    private const int ReadBytes = 64 * 1024;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(5);

    private static ReadOnlySpan<byte> EventStart => "\nid: "u8;

    public static async Task<IReadOnlyList<Measurement>> MeasureAsync(BenchContext context)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        await using var server = await ServerProcess.StartAsync("memory:", ending.Token);
        var received = new long[Subscribers];
        var readers = new List<Task>();
        for (var i = 0; i < Subscribers; i++)
        {
            readers.Add(await SubscribeAsync(server.Url, received, i, ending.Token));
        }

        var publishing = Task.Factory.StartNew(() => Publish(server.Url, received, ending.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Task.Delay(WarmUp, TimeProvider.System, ending.Token);
        var before = Sum(received);
        var began = Stopwatch.GetTimestamp();
        await Task.Delay(Duration, TimeProvider.System, ending.Token);
        var rate = (Sum(received) - before) / Stopwatch.GetElapsedTime(began).TotalSeconds;
        await ending.CancelAsync();
        var published = await publishing;
        await Task.WhenAll(readers);
        var raw = await RawFanout.MeasureAsync(Subscribers, context.CancellationToken);
        return
        [
            Measurement.Against("per_s", rate, "events/s", "writes of the same bytes to as many bare sockets", raw),
            new Measurement("raw_writes_per_s", raw, "writes/s"),
            new Measurement("published", published, "messages"),
        ];
    }

    /// <summary>Publishes one message after the other, each when the one before is acknowledged.</summary>
    /// <remarks>
    /// On a thread of its own with a blocking socket, as a publisher in another process would be: on the pool it would stand in line behind the readers of all subscribers,
    /// and the figure would be that of this process.
    /// </remarks>
    private static long Publish(string url, long[] received, CancellationToken cancellationToken)
    {
        var address = new Uri(url);
        using var socket = new TcpClient { NoDelay = true };
        socket.Connect(address.Host, address.Port);
        var request = Encoding.ASCII.GetBytes(
            $"POST /api/v1/channels/bench/messages HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Length: {QueueArea.BodyBytes}\r\n\r\n{new string('x', QueueArea.BodyBytes)}");
        var answer = new byte[4096];
        var published = 0L;
        while (!cancellationToken.IsCancellationRequested)
        {
            if (published - Slowest(received) > MaxAhead)
            {
                FineSleep.Until(Stopwatch.GetTimestamp() + (Stopwatch.Frequency / 5000));
                continue;
            }

            // An acknowledgement is smaller than a packet, and comes whole.
            socket.Client.Send(request);
            if (!answer.AsSpan(0, socket.Client.Receive(answer)).StartsWith("HTTP/1.1 200"u8))
            {
                throw new InvalidOperationException("A publish was not acknowledged.");
            }

            published++;
        }

        return published;
    }

    private static async Task<Task> SubscribeAsync(string url, long[] received, int index, CancellationToken cancellationToken)
    {
        var address = new Uri(url);
        var socket = new TcpClient { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port, cancellationToken);
        var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET /api/v1/channels/bench/events HTTP/1.1\r\nHost: {address.Authority}\r\n\r\n"), cancellationToken);
        var buffer = new byte[ReadBytes];
        var read = await stream.ReadAsync(buffer, cancellationToken);
        return buffer.AsSpan(0, read).StartsWith("HTTP/1.1 200"u8)
            ? Task.Run(() => CountAsync(socket, buffer, received, index, cancellationToken), CancellationToken.None)
            : throw new InvalidOperationException(Encoding.ASCII.GetString(buffer, 0, read));
    }

    // Counts the beginnings of events in the bytes: parsing is the affair of each client, and would be most of the work here.
    private static async Task CountAsync(TcpClient socket, byte[] buffer, long[] received, int index, CancellationToken cancellationToken)
    {
        // What ended the read before stays in front, for a beginning that was cut in two.
        var kept = EventStart.Length - 1;
        buffer.AsSpan(0, kept).Clear();
        using (socket)
        {
            try
            {
                int read;
                while ((read = await socket.GetStream().ReadAsync(buffer.AsMemory(kept), cancellationToken)) > 0)
                {
                    Volatile.Write(ref received[index], received[index] + buffer.AsSpan(0, kept + read).Count(EventStart));
                    buffer.AsSpan(read, kept).CopyTo(buffer);
                }
            }
            catch (OperationCanceledException)
            {
                // The measurement is over.
            }
        }
    }

    private static long Sum(long[] received)
    {
        var sum = 0L;
        foreach (ref var count in received.AsSpan())
        {
            sum += Volatile.Read(ref count);
        }

        return sum;
    }

    private static long Slowest(long[] received)
    {
        var slowest = long.MaxValue;
        foreach (ref var count in received.AsSpan())
        {
            slowest = Math.Min(slowest, Volatile.Read(ref count));
        }

        return slowest;
    }
}
