namespace Millrace.Server.Configuration;

/// <summary>A key with the value that holds, for people: secrets are masked.</summary>
/// <param name="Key">As the environment spells it.</param>
/// <param name="Value">The value; empty when there is none.</param>
/// <param name="Source">Where it came from.</param>
internal sealed record EffectiveValue(string Key, string Value, string Source);
