using System.Text.Json.Serialization;

namespace Millrace.Scheduling.Jobs;

/// <summary>The JSON of headers and documents of jobs.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip)]
[JsonSerializable(typeof(JobTerms))]
[JsonSerializable(typeof(JobDocument))]
[JsonSerializable(typeof(UniqueDocument))]
[JsonSerializable(typeof(BatchDocument))]
[JsonSerializable(typeof(MarkDocument))]
[JsonSerializable(typeof(RateDocument))]
internal sealed partial class JobJson : JsonSerializerContext;
