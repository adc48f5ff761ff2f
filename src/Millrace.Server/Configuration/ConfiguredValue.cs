namespace Millrace.Server.Configuration;

/// <summary>A value and where it came from. Immutable.</summary>
/// <param name="Key">What it sets.</param>
/// <param name="Path">The key as it was spelt, its parts separated by ':'.</param>
/// <param name="Value">The value; of a list, its parts separated by ';'.</param>
/// <param name="Source">Where it came from, for people: <c>the environment</c>.</param>
/// <param name="Origin">Key and source, for people: <c>QUEUE__URL from the environment</c>.</param>
internal sealed record ConfiguredValue(ConfigurationKey Key, string Path, string Value, string Source, string Origin);

/// <summary>What a value sets, however it was spelt. Parts are in upper case; the field without '_' and '-'.</summary>
/// <param name="Prefix"><c>SERVER</c>, <c>STOMP</c>, <c>QUEUE</c> (also for <c>MQ</c>), <c>STREAM</c>, <c>CHANNEL</c>, <c>LOCK</c> or <c>STATE</c>.</param>
/// <param name="Instance">The instance; empty for what is about the node.</param>
/// <param name="Field">The field.</param>
internal readonly record struct ConfigurationKey(string Prefix, string Instance, string Field)
{
    public const string Server = "SERVER";
    public const string Stomp = "STOMP";
    public const string DefaultInstance = "DEFAULT";

    /// <summary>Whether a section is about the node rather than its instances.</summary>
    public static bool IsOfNode(string prefix) => prefix is Server or Stomp;

    /// <summary>The key as the environment spells it, for a field of an instance.</summary>
    public override string ToString() => Instance is "" or DefaultInstance ? $"{Prefix}__{Field}" : $"{Prefix}__{Instance}__{Field}";
}
