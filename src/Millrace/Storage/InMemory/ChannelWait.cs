namespace Millrace.Storage.InMemory;

/// <summary>A publisher that waits for room in one subscriber's buffer (law C3, policy Wait), until its deadline.</summary>
internal sealed class ChannelWait(InMemoryChannelSubscription subscription, TimerHeap timers, ChannelMessage message) : TimerHeapEntry
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ChannelMessage Message { get; } = message;

    /// <summary>Its place in the subscription's line.</summary>
    public LinkedListNode<ChannelWait>? Node { get; set; }

    /// <summary>Completes when the message has room, or has been given up.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Ends waits. Called outside every gate.</summary>
    public static void EndAll(List<ChannelWait>? waits)
    {
        if (waits is not null)
        {
            foreach (var wait in waits)
            {
                wait.End();
            }
        }
    }

    public void End()
    {
        timers.Cancel(this);
        _ended.TrySetResult();
    }

    public void GiveUp() => subscription.GiveUp(Node!);

    protected internal override void OnDue() => GiveUp();
}
