using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.OpenApi;

namespace Millrace.Server.Api.Description;

/// <summary>
/// The named shapes of the API's JSON as schemas. What the server reads is closed: it refuses fields that are not there. What it writes is open: a newer server may say more.
/// </summary>
internal sealed partial class ApiShapes(OpenApiDocument document, ApiLimits limits)
{
    private const string TokenPattern = "^[0-9a-f]{32}$";

    /// <summary>All of them, by name.</summary>
    public IEnumerable<(string Name, OpenApiSchema Schema)> All() =>
        [.. OfNode(), .. OfQueues(), .. OfMessages(), .. OfStreams(), .. OfSchedules(), .. OfReceivers(), .. OfSettlements(), .. OfOperations(), .. OfChannels(), .. OfLocks(), .. OfState(), .. OfConnections(), .. OfProblems()];

    /// <summary>Refers to a shape.</summary>
    public IOpenApiSchema Ref(string name) => new OpenApiSchemaReference(name, document);

    public static OpenApiSchema Text(string description) => new() { Type = JsonSchemaType.String, Description = description };

    public static OpenApiSchema Text(string description, int minimum, int maximum) =>
        new() { Type = JsonSchemaType.String, Description = description, MinLength = minimum, MaxLength = maximum };

    public static OpenApiSchema Whole(string description, long minimum, long maximum) => new()
    {
        Type = JsonSchemaType.Integer,
        Format = maximum > int.MaxValue ? "int64" : "int32",
        Minimum = Number(minimum),
        Maximum = Number(maximum),
        Description = description,
    };

    public static OpenApiSchema Words(string description, params IEnumerable<string> words) =>
        new() { Type = JsonSchemaType.String, Description = description, Enum = [.. words.Select(word => (JsonNode)JsonValue.Create(word))] };

    private static OpenApiSchema Request(string description, params Field[] fields)
    {
        var schema = Answer(description, fields);
        schema.AdditionalPropertiesAllowed = false;
        return schema;
    }

    private static OpenApiSchema Answer(string description, params Field[] fields) => new()
    {
        Type = JsonSchemaType.Object,
        Description = description,
        Properties = fields.ToDictionary(field => field.Name.Value, field => field.Schema),
        Required = fields.Where(field => field.IsRequired).Select(field => field.Name.Value).ToHashSet(),
    };

    // A field that is always there, or must be.
    private static Field Always(JsonEncodedText name, IOpenApiSchema schema) => new(name, schema, true);

    private static Field Perhaps(JsonEncodedText name, IOpenApiSchema schema) => new(name, schema, false);

    private static OpenApiSchema Count(string description) => Whole(description, 0, long.MaxValue);

    private static OpenApiSchema Flag(string description) => new() { Type = JsonSchemaType.Boolean, Description = description };

    // Milliseconds may have decimals.
    private static OpenApiSchema Milliseconds(string description, long maximum) =>
        new() { Type = JsonSchemaType.Number, Minimum = "0", Maximum = Number(maximum), Description = description };

    private static OpenApiSchema LeaseMilliseconds(string description) =>
        new() { Type = JsonSchemaType.Number, Minimum = "1", Maximum = Number(ReceiverEndpoints.LongestLeaseMs), Description = description };

    private static OpenApiSchema Time(string description) => new() { Type = JsonSchemaType.String, Format = "date-time", Description = description };

    private static OpenApiSchema Base64(string description) => new() { Type = JsonSchemaType.String, Format = "byte", Description = description };

    private static OpenApiSchema Token() => new() { Type = JsonSchemaType.String, Pattern = TokenPattern, Description = "The token of a lease." };

    private static OpenApiSchema List(string description, IOpenApiSchema of) => new() { Type = JsonSchemaType.Array, Items = of, Description = description };

    private OpenApiSchema Batch(string description, IOpenApiSchema of) =>
        new() { Type = JsonSchemaType.Array, Items = of, MaxItems = limits.MaxBatch, Description = description };

    private static OpenApiSchema OrNull(OpenApiSchema schema)
    {
        schema.Type |= JsonSchemaType.Null;
        return schema;
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>A field of an object.</summary>
    private readonly record struct Field(JsonEncodedText Name, IOpenApiSchema Schema, bool IsRequired);
}
