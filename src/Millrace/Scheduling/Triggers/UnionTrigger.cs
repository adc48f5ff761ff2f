using System.Collections.Immutable;

namespace Millrace.Scheduling.Triggers;

/// <summary>Whenever one of several is due.</summary>
internal sealed class UnionTrigger : Trigger
{
    private UnionTrigger(ImmutableArray<Trigger> triggers, int parts, int depth) => (Triggers, Parts, Depth) = (triggers, parts, depth);

    /// <summary>Two at least, each once, none a union itself.</summary>
    public ImmutableArray<Trigger> Triggers { get; }

    internal override int Parts { get; }

    internal override int Depth { get; }

    public static Trigger Of(Trigger[] triggers)
    {
        ArgumentNullException.ThrowIfNull(triggers);
        RequireFew(triggers.Length);
        var distinct = new List<Trigger>();
        var (parts, depth) = (1, 1);
        foreach (var trigger in triggers)
        {
            ArgumentNullException.ThrowIfNull(trigger, nameof(triggers));
            foreach (var part in trigger is UnionTrigger union ? union.Triggers : [trigger])
            {
                if (!distinct.Contains(part))
                {
                    distinct.Add(part);
                    parts += part.Parts;
                    depth = Math.Max(depth, part.Depth + 1);
                }
            }
        }

        RequireFew(parts, depth);
        return distinct.Count switch
        {
            0 => throw new InvalidTriggerException("A trigger that is any of several needs one at least."),
            1 => distinct[0],
            _ => new UnionTrigger([.. distinct], parts, depth),
        };
    }

    public override DateTimeOffset? Next(DateTimeOffset after)
    {
        DateTimeOffset? first = null;
        foreach (var trigger in Triggers)
        {
            if (trigger.Next(after) is { } next && (first is null || next < first))
            {
                first = next;
            }
        }

        return first;
    }

    public override bool Equals(Trigger? other) => other is UnionTrigger union && union.Triggers.AsSpan().SequenceEqual(Triggers.AsSpan());

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var trigger in Triggers)
        {
            hash.Add(trigger);
        }

        return hash.ToHashCode();
    }

    public override string ToString() => string.Join(" or ", Triggers);
}
