namespace Millrace.Redis.Client.Subscriptions;

/// <summary>Ends a subscription, once.</summary>
internal sealed class SubscriptionHandle(Action end) : IAsyncDisposable
{
    private Action? _end = end;

    public ValueTask DisposeAsync()
    {
        Interlocked.Exchange(ref _end, null)?.Invoke();
        return ValueTask.CompletedTask;
    }
}
