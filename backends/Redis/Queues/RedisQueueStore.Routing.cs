using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <content>Bindings and publishing.</content>
internal partial class RedisQueueStore
{
    public async ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(pattern);
        RequireUsable();
        var place = Calls.PlaceOf(queue);
        string birth;
        string? after;
        do
        {
            // A binding counts for the queue that it was made with. If that was deleted meanwhile, it is made with its successor.
            birth = await Calls.OpenOnDemandAsync(place, cancellationToken).ConfigureAwait(false);
            await Bindings.AddAsync(queue, pattern, birth, cancellationToken).ConfigureAwait(false);
            after = (await Calls.OpenAsync(place, creates: false, QueueSettings.Default, null, TimeSpan.Zero, CancellationToken.None).ConfigureAwait(false))?.Birth;
        }
        while (after != birth);
    }

    public ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(pattern);
        RequireUsable();
        return Bindings.RemoveAsync(queue, pattern, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default)
    {
        if (queue is not null)
        {
            ResourceName.Require(queue, "queue");
        }

        RequireUsable();
        var all = await Bindings.ListAsync(cancellationToken).ConfigureAwait(false);
        return queue is null ? all : [.. all.Where(binding => binding.Queue == queue)];
    }

    public async ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default)
    {
        TopicPattern.RequireTopic(topic);
        EnvelopeRules.Require(batch.Span, Capabilities);
        RequireUsable();
        cancellationToken.ThrowIfCancellationRequested();
        if (Calls.IsCluster)
        {
            return await PublishOneByOneAsync(topic, batch, cancellationToken).ConfigureAwait(false);
        }

        while (true)
        {
            var bound = await Bindings.FindAsync(topic, cancellationToken).ConfigureAwait(false);
            if (bound.Count == 0 || batch.IsEmpty)
            {
                return bound.Count;
            }

            var commit = new CommitCall(Calls, Bindings);
            foreach (var (queue, birth) in bound)
            {
                foreach (var envelope in batch.Span)
                {
                    commit.AddPublish(Calls.PlaceOf(queue), birth, envelope);
                }
            }

            if (await commit.RunAsync(cancellationToken).ConfigureAwait(false) is not null)
            {
                return bound.Count;
            }
        }
    }

    /// <summary>On a Cluster, queues are on different servers: each gets the batch by itself, and a failure leaves those before it with theirs.</summary>
    private async ValueTask<int> PublishOneByOneAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken)
    {
        var bound = await Bindings.FindAsync(topic, cancellationToken).ConfigureAwait(false);
        if (batch.IsEmpty)
        {
            return bound.Count;
        }

        var reached = 0;
        foreach (var (queue, birth) in bound)
        {
            if (await LanesOf(Calls.PlaceOf(queue)).Enqueues.EnqueueIfAsync(batch, birth, cancellationToken).ConfigureAwait(false))
            {
                reached++;
            }
            else
            {
                await Bindings.DropAsync(queue, birth).ConfigureAwait(false);
            }
        }

        return reached;
    }
}
