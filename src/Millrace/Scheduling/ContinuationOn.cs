using System.Text.Json.Serialization;

namespace Millrace.Scheduling;

/// <summary>After which end of a job its continuation is enqueued.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<ContinuationOn>))]
public enum ContinuationOn
{
    /// <summary>After it has succeeded.</summary>
    Succeeded,

    /// <summary>After it has failed for good, or was cancelled.</summary>
    Failed,

    /// <summary>After any end.</summary>
    Any,
}
