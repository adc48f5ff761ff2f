using System.Text.Json.Nodes;
using Millrace.Server.Api;
using Millrace.Server.Api.Description;

namespace Millrace.Server.Tests.Api.Description;

/// <summary>The description of the API as a client reads it.</summary>
internal sealed class ServedDescription(JsonNode root)
{
    public JsonNode Root => root;

    public IReadOnlyList<DescribedOperation> Operations { get; } =
    [
        .. from path in root["paths"]!.AsObject()
           from operation in path.Value!.AsObject()
           select new DescribedOperation(operation.Key.ToUpperInvariant(), path.Key, operation.Value!.AsObject()),
    ];

    public static ServedDescription Of(string instance) => new(JsonNode.Parse(ApiDescription.Write(instance, new ApiLimits()))!);

    /// <summary>The schema itself, or the one that it refers to.</summary>
    public JsonObject Resolve(JsonNode schema)
    {
        while (schema["$ref"] is JsonValue reference)
        {
            schema = Shape(((string)reference!).Split('/')[^1]);
        }

        return schema.AsObject();
    }

    public JsonObject Shape(string name) => root["components"]!["schemas"]![name]?.AsObject() ?? throw new InvalidOperationException($"There is no shape '{name}'.");
}

/// <summary>One operation of the description.</summary>
internal sealed record DescribedOperation(string Method, string Path, JsonObject Node)
{
    public IEnumerable<JsonObject> Parameters(string location) =>
        (Node["parameters"]?.AsArray() ?? []).Select(parameter => parameter!.AsObject()).Where(parameter => (string)parameter["in"]! == location);

    /// <summary>The media type and schema of the body; null for none.</summary>
    public (string MediaType, JsonNode Schema)? Body =>
        Node["requestBody"]?["content"]?.AsObject().Select(content => (content.Key, content.Value!["schema"] ?? new JsonObject())).FirstOrDefault();

    /// <summary>The answer with a status; null when none is described.</summary>
    public JsonObject? Answer(int status) => Node["responses"]![status.ToString(System.Globalization.CultureInfo.InvariantCulture)]?.AsObject();

    public IEnumerable<string> Problems => Node[ApiDescription.ProblemsExtension]!.AsArray().Select(code => (string)code!);

    public override string ToString() => $"{Method} {Path}";
}
