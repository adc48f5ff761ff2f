using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Millrace.Server.Tests.Api.Description;

/// <summary>Checks JSON against the schemas of the description. Fields that a schema does not name are wrong also where it is open: this server must not write them.</summary>
internal sealed class SchemaCheck(ServedDescription description)
{
    /// <summary>Every field that was seen, as SHAPE.FIELD.</summary>
    public HashSet<string> Seen { get; } = new(StringComparer.Ordinal);

    /// <summary>What is wrong with a value; nothing if it fits.</summary>
    public IReadOnlyList<string> ErrorsOf(JsonNode? value, JsonNode schema)
    {
        var errors = new List<string>();
        Check(value, schema, "$", errors);
        return errors;
    }

    private void Check(JsonNode? value, JsonNode schema, string where, List<string> errors)
    {
        if (schema["$ref"] is JsonValue reference)
        {
            CheckShape(value, (string)reference!, where, errors);
        }
        else if (schema["oneOf"] is JsonArray choices)
        {
            var each = choices.Select(choice => ErrorsOf(value, choice!)).ToList();
            if (each.Count(found => found.Count == 0) != 1)
            {
                errors.Add($"{where} fits {each.Count(found => found.Count == 0)} of the choices: {string.Join("; ", each.SelectMany(found => found))}");
            }
        }
        else
        {
            CheckPlain(value, schema, "", where, errors);
        }
    }

    private void CheckShape(JsonNode? value, string reference, string where, List<string> errors)
    {
        var name = reference.Split('/')[^1];
        CheckPlain(value, description.Shape(name), name, where, errors);
    }

    private void CheckPlain(JsonNode? value, JsonNode schema, string shape, string where, List<string> errors)
    {
        if (schema["type"] is { } types && !Types(types).Any(type => IsOf(value, type)))
        {
            errors.Add($"{where} is no {types.ToJsonString()}");
            return;
        }

        if (schema["enum"] is JsonArray words && !words.Any(word => JsonNode.DeepEquals(word, value)))
        {
            errors.Add($"{where} is {value?.ToJsonString()}, none of {words.ToJsonString()}");
        }

        switch (value?.GetValueKind())
        {
            case JsonValueKind.Object:
                CheckObject(value.AsObject(), schema, shape, where, errors);
                break;
            case JsonValueKind.Array when schema["items"] is { } items:
                foreach (var element in value.AsArray())
                {
                    Check(element, items, where + "[]", errors);
                }

                break;
            case JsonValueKind.Number:
                CheckNumber(decimal.Parse(value.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture), schema, where, errors);
                break;
            case JsonValueKind.String:
                CheckText((string)value!, schema, where, errors);
                break;
        }
    }

    private void CheckObject(JsonObject value, JsonNode schema, string shape, string where, List<string> errors)
    {
        var fields = schema["properties"]?.AsObject();
        var values = schema["additionalProperties"] as JsonObject;
        foreach (var (name, member) in value)
        {
            if (fields?[name] is { } field)
            {
                Seen.Add($"{shape}.{name}");
                Check(member, field, $"{where}.{name}", errors);
            }
            else if (values is not null)
            {
                Check(member, values, $"{where}.{name}", errors);
            }
            else if (fields is not null)
            {
                errors.Add($"{where} has the field '{name}', which is not described");
            }
        }

        errors.AddRange((schema["required"]?.AsArray() ?? []).Select(name => (string)name!).Where(name => !value.ContainsKey(name)).Select(name => $"{where} lacks the field '{name}'"));
    }

    private static void CheckNumber(decimal value, JsonNode schema, string where, List<string> errors)
    {
        if (Bound(schema, "minimum") > value || Bound(schema, "maximum") < value || Bound(schema, "exclusiveMinimum") >= value)
        {
            errors.Add($"{where} is {value}, which is out of the range that is described");
        }
    }

    private static void CheckText(string value, JsonNode schema, string where, List<string> errors)
    {
        var fits = (string?)schema["format"] switch
        {
            "byte" => Convert.TryFromBase64String(value, new byte[value.Length], out _),
            "date-time" => DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, out _),
            _ => true,
        };
        if (!fits
            || (schema["pattern"] is { } pattern && !Regex.IsMatch(value, (string)pattern!))
            || Bound(schema, "minLength") > value.Length
            || Bound(schema, "maxLength") < value.Length)
        {
            errors.Add($"{where} is '{value}', which is not as described");
        }
    }

    private static decimal? Bound(JsonNode schema, string name) => schema[name] is { } bound ? decimal.Parse(bound.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture) : null;

    private static IEnumerable<string> Types(JsonNode types) => types is JsonArray several ? several.Select(type => (string)type!) : [(string)types!];

    private static bool IsOf(JsonNode? value, string type) => (type, value?.GetValueKind() ?? JsonValueKind.Null) switch
    {
        ("object", JsonValueKind.Object) or ("array", JsonValueKind.Array) or ("string", JsonValueKind.String) or ("number", JsonValueKind.Number) => true,
        ("boolean", JsonValueKind.True or JsonValueKind.False) or ("null", JsonValueKind.Null) => true,
        ("integer", JsonValueKind.Number) => long.TryParse(value!.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _),
        _ => false,
    };
}
