namespace Millrace;

/// <summary>The priorities of messages: 0 (last) to 9 (first), 4 unless stated (law Q3).</summary>
public static class MessagePriority
{
    /// <summary>The lowest priority, 0.</summary>
    public const int Lowest = 0;

    /// <summary>The priority of a message whose sender named none, 4.</summary>
    public const int Default = 4;

    /// <summary>The highest priority, 9.</summary>
    public const int Highest = 9;
}
