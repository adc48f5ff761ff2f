using Millrace.Redis.Client;

namespace Millrace.Redis.Queues;

/// <summary>A queue or a dead-letter queue by its name, with what its name means in Redis. Immutable; made once a name.</summary>
internal sealed class QueuePlace
{
    // On a Cluster, calls name a key that never exists beside the state. While the slot moves, the server answers TRYAGAIN to whoever names keys of which some are there and some are
    // not, so a script never meets a queue of which half is at another node. With the state alone it would run, and fail half-way at the first key that has gone or is not there yet.
    private readonly string _movingKey;

    public QueuePlace(string name, RedisKeys keys)
    {
        Name = name;
        Source = ResourceName.SourceOf(name);
        IsDead = ResourceName.IsDeadLetterQueue(name);
        Section = IsDead ? "d" : "m";
        var prefix = keys.Queue(Source);
        StateKey = prefix + "queue";
        WakeChannel = prefix + "wake";
        _movingKey = prefix + "moving";
    }

    public string Name { get; }

    /// <summary>The queue whose dead letters these are, or itself.</summary>
    public string Source { get; }

    public bool IsDead { get; }

    /// <summary>The section of the queue as scripts name it.</summary>
    public string Section { get; }

    /// <summary>The key of the state, the only one that scripts read.</summary>
    public string StateKey { get; }

    /// <summary>Where scripts publish that something can be leased.</summary>
    public string WakeChannel { get; }

    /// <summary>A call of a script on this queue, with the arguments that all scripts begin with.</summary>
    public RedisCommand Call(RedisScript script, bool isCluster) => isCluster ? script.Call(StateKey, _movingKey).Add("SPUBLISH") : script.Call(StateKey).Add("PUBLISH");

    /// <summary>A call of a script on this section of the queue.</summary>
    public RedisCommand CallSection(RedisScript script, bool isCluster) => Call(script, isCluster).Add(Section);
}
