namespace Millrace.Bench.Stomp;

/// <summary>A broker that runs; disposing it ends it, if it was started here.</summary>
internal sealed class StompBroker(string name, StompEndpoint endpoint, int? processId, IAsyncDisposable? process) : IAsyncDisposable
{
    public string Name { get; } = name;

    public StompEndpoint Endpoint { get; } = endpoint;

    /// <summary>Null where it was not started here.</summary>
    public int? ProcessId { get; } = processId;

    /// <summary>The processor time that it has used so far.</summary>
    public TimeSpan? ProcessorTime() => ProcessId is { } id ? ProcessUsage.ProcessorTime(id) : null;

    /// <summary>The memory that it has resident now.</summary>
    public double? ResidentMegabytes() => ProcessId is { } id ? ProcessUsage.ResidentMegabytes(id) : null;

    public ValueTask DisposeAsync() => process?.DisposeAsync() ?? ValueTask.CompletedTask;
}
