using Millrace.Storage;

namespace Millrace.Server.Security.Users;

/// <summary>A role as the users file has it: what its rules allow together. Immutable.</summary>
internal sealed record RoleEntry(string Name, IReadOnlyList<RoleRule> Rules)
{
    /// <summary>The role that is always there, and may do everything.</summary>
    public const string Administrator = "admin";
}

/// <summary>Permissions on the resources whose names match one of the patterns of their kind. Immutable.</summary>
internal sealed record RoleRule
{
    public required IReadOnlyList<Permission> Allow { get; init; }

    public IReadOnlyList<TopicPattern> Queues { get; init; } = [];

    public IReadOnlyList<TopicPattern> Topics { get; init; } = [];

    public IReadOnlyList<TopicPattern> Streams { get; init; } = [];

    public IReadOnlyList<TopicPattern> Schedules { get; init; } = [];

    public IReadOnlyList<TopicPattern> Locks { get; init; } = [];

    public IReadOnlyList<TopicPattern> State { get; init; } = [];

    /// <summary>The patterns of one kind of resource.</summary>
    public IReadOnlyList<TopicPattern> PatternsOf(ResourceKind kind) => kind switch
    {
        ResourceKind.Queue => Queues,
        ResourceKind.Topic => Topics,
        ResourceKind.Stream => Streams,
        ResourceKind.Schedule => Schedules,
        ResourceKind.Lock => Locks,
        ResourceKind.State => State,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No kind of resource."),
    };
}
