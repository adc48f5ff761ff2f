using Millrace.Redis.Client;

namespace Millrace.Redis.Queues;

/// <summary>A queue or a dead-letter queue by its name, with what its name means in Redis. Immutable; made once a name.</summary>
internal sealed class QueuePlace
{
    public QueuePlace(string name, RedisKeys keys)
    {
        Name = name;
        Source = ResourceName.SourceOf(name);
        IsDead = ResourceName.IsDeadLetterQueue(name);
        Section = IsDead ? "d" : "m";
        var prefix = keys.Queue(Source);
        StateKey = prefix + "queue";
        WakeChannel = prefix + "wake";
    }

    public string Name { get; }

    /// <summary>The queue whose dead letters these are, or itself.</summary>
    public string Source { get; }

    public bool IsDead { get; }

    /// <summary>The section of the queue as scripts name it.</summary>
    public string Section { get; }

    /// <summary>The key of the state, the only one that scripts are given.</summary>
    public string StateKey { get; }

    /// <summary>Where scripts publish that something can be leased.</summary>
    public string WakeChannel { get; }

    /// <summary>A call of a script on this queue, with the arguments that all scripts begin with.</summary>
    public RedisCommand Call(RedisScript script, bool isCluster) => script.Call(StateKey).Add(isCluster ? "SPUBLISH" : "PUBLISH");

    /// <summary>A call of a script on this section of the queue.</summary>
    public RedisCommand CallSection(RedisScript script, bool isCluster) => Call(script, isCluster).Add(Section);
}
