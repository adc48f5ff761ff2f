using Millrace.Storage;

namespace Millrace.Server.Api;

/// <summary>An open partition with those who use it now. Once it is retired, the last of them closes it. Safe for concurrent use; disposing ends one use.</summary>
internal sealed class ServedPartition(IStreamPartition log, StreamRetention retention) : IDisposable
{
    private readonly Lock _gate = new();
    private int _users;
    private bool _isRetired;

    public IStreamPartition Log => log;

    /// <summary>How long it was opened to keep its records.</summary>
    public StreamRetention Retention => retention;

    /// <returns>False when it is retired: another one has taken its place, or none.</returns>
    public bool TryEnter()
    {
        lock (_gate)
        {
            _users += _isRetired ? 0 : 1;
            return !_isRetired;
        }
    }

    public void Dispose()
    {
        bool isLast;
        lock (_gate)
        {
            isLast = --_users == 0 && _isRetired;
        }

        CloseIf(isLast);
    }

    /// <summary>Nobody shall begin to use it any more.</summary>
    public void Retire()
    {
        bool isLast;
        lock (_gate)
        {
            isLast = _users == 0 && !_isRetired;
            _isRetired = true;
        }

        CloseIf(isLast);
    }

    // Nobody waits for it: what closing can fail with concerns nobody any more, and the store ends what is left.
    private void CloseIf(bool isLast)
    {
        if (isLast)
        {
            _ = log.DisposeAsync().AsTask().ContinueWith(
                static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
    }
}
