using System.Diagnostics;

namespace Millrace.Bench.Stomp;

/// <summary>What connections cost that do nothing but stay alive.</summary>
internal static class IdleConnectionsCase
{
    private const int Connections = 10_000;
    private const int HeartBeatMs = 10_000;

    // What each side promises is the longest pause; a client that waited all of it would be late.
    private const int PauseMs = 9_000;
    private const int StepMs = 10;

    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(25);

    /// <summary>What the server needs to be told to let so many connections in from one address; nothing by default.</summary>
    private static readonly string[] ServerOptions = [];

    private static ReadOnlySpan<byte> HeartBeat => "\n"u8;

    /// <summary>Memory above that without connections, and the processor time that heart-beats take.</summary>
    public static async Task<IReadOnlyList<Measurement>> MeasureAsync(BenchContext context)
    {
        await using var broker = await MeasuredBroker.StartAsync(context, "memory:", ServerOptions);
        await Task.Delay(Rest, TimeProvider.System, context.CancellationToken);
        return await Task.Factory.StartNew<IReadOnlyList<Measurement>>(
            () => Measure(broker, context.CancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static List<Measurement> Measure(StompBroker broker, CancellationToken cancellationToken)
    {
        var idle = broker.ResidentMegabytes();
        var connections = new List<StompConnection>(Connections);
        var heard = new int[Connections];
        try
        {
            var watch = Stopwatch.StartNew();
            while (connections.Count < Connections)
            {
                cancellationToken.ThrowIfCancellationRequested();
                connections.Add(StompConnection.Open(broker.Endpoint, HeartBeatMs));
                connections[^1].StopBlocking();
            }

            var connectSeconds = watch.Elapsed.TotalSeconds;
            var beats = new Beats(connections, heard);
            beats.KeepUp(Settling, cancellationToken);
            var own = Environment.CpuUsage.TotalTime;
            var brokers = broker.ProcessorTime();
            watch.Restart();
            beats.KeepUp(Duration, cancellationToken);
            var seconds = watch.Elapsed.TotalSeconds;
            List<Measurement> figures =
            [
                new("connects_per_s", Connections / connectSeconds, "connections/s"),
                new("client_cpu_percent", 100 * (Environment.CpuUsage.TotalTime - own).TotalSeconds / seconds, "%"),
            ];
            if (broker.ProcessorTime() - brokers is { } used)
            {
                figures.Insert(0, new Measurement("broker_cpu_percent", 100 * used.TotalSeconds / seconds, "%"));
                figures.Insert(0, new Measurement("rss_above_idle_mb", broker.ResidentMegabytes()!.Value - idle!.Value, "MB"));
            }

            var silent = heard.Count(bytes => bytes == 0);
            return silent == 0
                ? figures
                : throw new StompFailureException(
                    $"{broker.Name} has sent no heart-beat in {Settling + Duration} to {silent} of {Connections} connections, which were to have one every {HeartBeatMs} ms.");
        }
        finally
        {
            connections.ForEach(connection => connection.Dispose());
        }
    }

    /// <summary>Visits the connections in turn: sends a heart-beat, and reads those that came. Nothing waits for a socket.</summary>
    private sealed class Beats(List<StompConnection> connections, int[] heard)
    {
        private readonly byte[] _buffer = new byte[4096];
        private readonly long _began = Stopwatch.GetTimestamp();
        private long _visits;

        public void KeepUp(TimeSpan time, CancellationToken cancellationToken)
        {
            var end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
            while (Stopwatch.GetTimestamp() < end)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var due = (long)(Stopwatch.GetElapsedTime(_began).TotalMilliseconds * connections.Count / PauseMs);
                for (; _visits < due; _visits++)
                {
                    Visit((int)(_visits % connections.Count));
                }

                FineSleep.Until(Stopwatch.GetTimestamp() + (StepMs * Stopwatch.Frequency / 1000));
            }
        }

        private void Visit(int index)
        {
            connections[index].Write(HeartBeat);
            heard[index] += connections[index].CountBytes(_buffer);
        }
    }
}
