namespace Millrace.Server.Api;

/// <summary>Waits on behalf of a client: as long as it asked, as long as it is there, and as long as the server does not stop.</summary>
internal static class LongPoll
{
    /// <returns>Whether what was waited for has happened.</returns>
    public static async ValueTask<bool> RunAsync(ApiCall call, TimeSpan longest, Func<CancellationToken, ValueTask> wait)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(call.Aborted, call.Instance.Stopping);
        try
        {
            // Begun before it is bounded: a wait of 0 tells what is so already.
            var waiting = wait(ending.Token);
            ending.CancelAfter(longest);
            await waiting.ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested && !call.Aborted.IsCancellationRequested)
        {
            return false;
        }
    }
}
