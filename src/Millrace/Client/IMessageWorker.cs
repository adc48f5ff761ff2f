namespace Millrace.Client;

/// <summary>The life of a worker, whatever it handles.</summary>
internal interface IMessageWorker : IAsyncDisposable
{
    string Queue { get; }

    Task Completion { get; }

    Task StartAsync(CancellationToken cancellationToken);

    Task StopAsync(CancellationToken cancellationToken);
}
