using System.Text;

namespace Millrace.Redis.Client.Subscriptions;

/// <summary>One subscription on a server, and all in this process who listen to it. Guarded by the lock of its <see cref="SubscriptionHub"/>; the array of listeners is replaced, never changed.</summary>
internal sealed class SharedSubscription(RedisSubscriptionKind kind, string name)
{
    public RedisSubscriptionKind Kind => kind;

    public string Name => name;

    public byte[] Key { get; } = Encoding.UTF8.GetBytes(name);

    public Listener[] Listeners { get; set; } = [];

    /// <summary>Whether the server has ended it by itself, because it is not the right one any more.</summary>
    public bool IsAdrift { get; set; }

    /// <summary>Ends when the server has confirmed; another one after a cut.</summary>
    public TaskCompletionSource Confirmation { get; private set; } = NewConfirmation();

    /// <summary>The connection is gone: the server will have to confirm anew.</summary>
    public void Forget()
    {
        if (Confirmation.Task.IsCompleted)
        {
            Confirmation = NewConfirmation();
        }
    }

    private static TaskCompletionSource NewConfirmation() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Somebody who listens.</summary>
    public sealed class Listener(IRedisListener target)
    {
        public IRedisListener Target => target;

        /// <summary>Whether it has been confirmed to it once, so that the next time is a resubscription.</summary>
        public bool WasConfirmed { get; set; }
    }
}
