namespace Millrace.Server.Api;

/// <summary>One row of the API's table: what is asked, and who answers.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">The path below the root of an instance, with names in braces; empty for the root itself.</param>
/// <param name="Summary">What it does, for the description of the API.</param>
/// <param name="Handler">Answers it.</param>
internal sealed record ApiRoute(string Method, string Path, string Summary, Func<ApiCall, Task> Handler)
{
    /// <summary>The parameters of the query string; any other is refused.</summary>
    public string[] Query { get; init; } = [];

    /// <summary>The name of the action in the audit log, if it is administrative; null if it is everyday work, of which only refusals are recorded.</summary>
    public string? AuditedAs { get; init; }

    /// <summary>The shape of the JSON body, by its name in the description; null for no JSON body.</summary>
    public string? Body { get; init; }

    /// <summary>The shape of the answer, by its name in the description; null for none.</summary>
    public string? Answer { get; init; }
}
