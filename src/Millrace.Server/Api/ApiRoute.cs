namespace Millrace.Server.Api;

/// <summary>One row of the API's table: what is asked, who answers, and how. The description of the API is made from it.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">The path below the root of an instance, or of the node, with names in braces; empty for the root itself.</param>
/// <param name="Summary">What it does, for the description of the API.</param>
/// <param name="Handler">Answers it.</param>
internal sealed record ApiRoute(string Method, string Path, string Summary, Func<ApiCall, Task> Handler)
{
    /// <summary>Whether it is about the node rather than one of its instances: it stands once, below <see cref="ApiEndpoints.Root"/>.</summary>
    public bool IsOfNode { get; init; }

    /// <summary>The parameters of the query string; any other is refused.</summary>
    public ApiParameter[] Query { get; init; } = [];

    /// <summary>The name of the action in the audit log, if it is administrative; null if it is everyday work, of which only refusals are recorded.</summary>
    public string? AuditedAs { get; init; }

    /// <summary>The header fields that mean something to it.</summary>
    public ApiParameter[] Headers { get; init; } = [];

    /// <summary>What it takes as a body.</summary>
    public ApiBody Body { get; init; } = ApiBody.None;

    /// <summary>The shape of the answer, by its name in the description; null for none, or for one that is not of this API's JSON.</summary>
    public string? Answer { get; init; }

    /// <summary>The media type of an answer that is not of this API's JSON.</summary>
    public string? AnswerType { get; init; }

    /// <summary>The statuses of success. All but 204 and 202 carry the answer.</summary>
    public int[] Success
    {
        get => field ?? (Answer is null && AnswerType is null ? [204] : [200]);
        init;
    }

    /// <summary>The codes of problems that are its own; those that every request may meet come with its path and body.</summary>
    public string[] Problems { get; init; } = [];
}

/// <summary>What a request takes as a body.</summary>
/// <param name="MediaType">Its media type; null for no body.</param>
/// <param name="Shape">The name of its shape in the description; null for bytes.</param>
/// <param name="IsRequired">Whether an empty one is refused.</param>
internal sealed record ApiBody(string? MediaType, string? Shape, bool IsRequired)
{
    /// <summary>Nothing is read.</summary>
    public static readonly ApiBody None = new(null, null, false);

    /// <summary>Any bytes, also none.</summary>
    public static readonly ApiBody Bytes = new("*/*", null, false);

    /// <summary>JSON of this shape.</summary>
    public static ApiBody Json(string shape) => new("application/json", shape, true);

    /// <summary>JSON of this shape, or nothing, which stands for what is so by default.</summary>
    public static ApiBody OptionalJson(string shape) => new("application/json", shape, false);
}
