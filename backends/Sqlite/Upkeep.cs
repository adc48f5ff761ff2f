using Microsoft.Extensions.Logging;
using Millrace.Sqlite.Queues;
using Millrace.Sqlite.Streams;

namespace Millrace.Sqlite;

/// <summary>
/// What a store does without being asked: deletes queues that have been idle for as long as their settings say, removes records that streams no longer keep, and finishes deletions
/// that a crash cut short.
/// </summary>
internal sealed class Upkeep : IAsyncDisposable
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(5);

    // What the contract of retention promises.
    private static readonly TimeSpan StreamInterval = TimeSpan.FromMinutes(1);

    private readonly SqliteStore _store;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;

    public Upkeep(SqliteStore store, ILogger logger)
    {
        (_store, _logger) = (store, logger);
        _loop = Task.Run(RunAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var next = await QueueRemoval.RemoveIdleAsync(_store, _stopping.Token).ConfigureAwait(false);
                await QueueRemoval.RemoveHiddenAsync(_store, _stopping.Token).ConfigureAwait(false);
                await SqliteStreamStore.KeepUpAsync(_store, _stopping.Token).ConfigureAwait(false);
                await Task.Delay(next < StreamInterval ? next : StreamInterval, _store.Clock.TimeProvider, _stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault)
            {
                // Whatever it is: upkeep goes on, and must not stand in the way of closing the store.
                LogMessages.UpkeepFailed(_logger, _store.Options.File, fault);
                await Task.Delay(RetryInterval, _store.Clock.TimeProvider, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
