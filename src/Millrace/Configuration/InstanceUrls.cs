namespace Millrace.Configuration;

/// <summary>Where the shapes of one named instance live. Immutable.</summary>
internal sealed record InstanceUrls
{
    /// <summary>The name of the instance that is meant when none is named.</summary>
    public const string DefaultInstance = "default";

    /// <summary>The URL of the queue, and of each shape that has none of its own; null when only other shapes are configured.</summary>
    public string? Queue { get; init; }

    public string? Stream { get; init; }

    public string? Channel { get; init; }

    public string? Lock { get; init; }

    public string? State { get; init; }

    /// <summary>The configuration keys that these came from, for errors; null when they were written in code.</summary>
    public string? Origin { get; init; }

    /// <summary>Instance names are compared without case, because environment variables and files spell them differently.</summary>
    public static string Normalize(string instance)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(instance);
        return instance.Trim().ToLowerInvariant();
    }
}
