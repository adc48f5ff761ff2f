using System.Text.Json;
using System.Text.Json.Serialization;

namespace Millrace.Scheduling;

/// <summary>Writes the values of an enum as words that begin with a small letter, and reads nothing else.</summary>
internal sealed class CamelCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where T : struct, Enum;
