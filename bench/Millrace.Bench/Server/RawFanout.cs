using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Millrace.Bench.Server;

/// <summary>The baseline of the fan-out: one thread that writes an event's bytes to many sockets in turn, and readers that throw them away.</summary>
internal static class RawFanout
{
    private const int EventBytes = 170;

    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);

    /// <summary>Writes a second.</summary>
    public static async Task<double> MeasureAsync(int subscribers, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepted = new List<Socket>();
        var readers = new List<Task>();
        for (var i = 0; i < subscribers; i++)
        {
            var client = new TcpClient();
            await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, cancellationToken);
            var server = await listener.AcceptSocketAsync(cancellationToken);
            server.NoDelay = true;
            accepted.Add(server);
            readers.Add(ReadAsync(client, ending.Token));
        }

        var rate = await Task.Factory.StartNew(() => Write(accepted), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await ending.CancelAsync();
        await Task.WhenAll(readers);
        accepted.ForEach(socket => socket.Dispose());
        return rate;
    }

    private static double Write(List<Socket> sockets)
    {
        var bytes = new byte[EventBytes];
        var writes = 0L;
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Duration)
        {
            foreach (var socket in sockets)
            {
                socket.Send(bytes);
                writes++;
            }
        }

        return writes / watch.Elapsed.TotalSeconds;
    }

    private static async Task ReadAsync(TcpClient client, CancellationToken cancellationToken)
    {
        using (client)
        {
            var buffer = new byte[64 * 1024];
            try
            {
                while (await client.GetStream().ReadAsync(buffer, cancellationToken) > 0)
                {
                }
            }
            catch (OperationCanceledException)
            {
                // The measurement is over.
            }
        }
    }
}
