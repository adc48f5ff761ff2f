using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Millrace.Server.Tests.Api.Description;

namespace Millrace.Server.Tests.Api.Fuzz;

/// <summary>Random values that fit a schema, with the bounds of it more often than what lies between; and values that fit none.</summary>
internal sealed class RandomValues(ServedDescription description, Random random, SeenValues seen)
{
    /// <summary>Texts that have been trouble somewhere.</summary>
    private static readonly string[] Naughty =
    [
        "", " ", ".", "..", "/", "\\", "%", "%00", "\0", "\u0001", "\u007f", "\u0085", "\u2028", "\ufeff", "\ufffd", "é", "😀", "a\u0301", "!", "x!dead", "!dead", "*", "?", "[", "[!", "[a-", "{}", "null",
        "true", "-1", "0", "1e400", "NaN", "9007199254740993", "__proto__", "';--", "<script>", "${x}", "{0}", "%s%n", "\r\nX: y", "data: x\n\n", "CON", "c:", "ÿ", "ı", "İ",
    ];

    private static readonly string[] EnvelopeFields = ["id", "contentType", "headers", "key", "priority", "delayMs", "ttlMs", "durability"];

    private static readonly string[] RawNumbers =
        ["1e400", "-1e400", "1e-400", "NaN", "Infinity", "-0", "01", "0x1", "9007199254740993", "9223372036854775808", "-9223372036854775809", "1.5", "0.00001", "99999999999999999999999999999999", "1E5"];

    /// <summary>Whether one in so many times.</summary>
    public bool OneIn(int times) => random.Next(times) == 0;

    public T Pick<T>(params ReadOnlySpan<T> choices) => choices[random.Next(choices.Length)];

    /// <summary>A name of a kind that there may be.</summary>
    public string Name(string kind) => kind switch
    {
        "queue" => OneIn(8) ? $"f{random.Next(4)}!dead" : $"f{random.Next(4)}",
        "topic" or "pattern" => Pick("t0", "t1", "t2", "t*", "t[01]", "*"),
        "id" => (OneIn(3) ? seen.Pick(random, "id") : null) ?? $"m{random.Next(12)}",
        "stream" => $"s{random.Next(3)}",
        "partition" => OneIn(10) ? Pick("-1", "4095", "4096", "x") : $"{random.Next(3)}",
        "receiver" => (OneIn(10) ? null : seen.Pick(random, "receiver")) ?? "00000000000000000000000000000000",
        _ => $"n{random.Next(4)}",
    };

    /// <summary>Any text, of the naughty ones, of random characters, or long.</summary>
    public string Text(int maximum = 300)
    {
        if (OneIn(2))
        {
            return Naughty[random.Next(Naughty.Length)];
        }

        var length = OneIn(10) ? random.Next(maximum) : random.Next(20);
        var text = new StringBuilder();
        while (text.Length < length)
        {
            text.Append(OneIn(4) ? Rune.IsValid(random.Next(0x10ffff)) ? new Rune(0xe000 + random.Next(0x1000)).ToString() : "é" : ((char)('a' + random.Next(26))).ToString());
        }

        return text.ToString();
    }

    /// <summary>A value of a field that fits its schema.</summary>
    public JsonNode? Valid(JsonNode schema, string field = "", int depth = 0)
    {
        if (schema["oneOf"] is JsonArray choices)
        {
            schema = choices[random.Next(choices.Count)]!;
        }

        var shape = schema["$ref"] is JsonValue reference ? ((string)reference!).Split('/')[^1] : "";
        var plain = description.Resolve(schema);
        var types = plain["type"] switch
        {
            JsonArray several => [.. several.Select(type => (string)type!)],
            JsonValue one => [(string)one!],
            _ => new[] { Pick("string", "integer", "boolean", "null", "object") },
        };
        return types[random.Next(types.Length)] switch
        {
            "object" => Members(plain, shape, depth),
            "array" => Elements(plain, field, depth),
            "string" => JsonValue.Create(ValidText(plain, field)),
            "integer" => JsonValue.Create(Whole(plain, field)),
            "number" => JsonValue.Create(Fraction(plain, field)),
            "boolean" => JsonValue.Create(OneIn(2)),
            _ => null,
        };
    }

    /// <summary>A text for a parameter with this schema.</summary>
    public string Parameter(JsonNode schema, string name) => Valid(schema, name)?.ToString() ?? "";

    /// <summary>A piece of JSON that probably does not belong where it is put, as it is written.</summary>
    public string Wrong() => random.Next(8) switch
    {
        0 => "null",
        1 => Pick("true", "false"),
        2 => Pick("{}", "[]", "[[[]]]", "{\"a\":{}}"),
        3 => RawNumbers[random.Next(RawNumbers.Length)],
        4 => "\"\\ud800\"",
        5 => new string('[', random.Next(1, 200)),
        6 => $"\"{new string('x', OneIn(20) ? 200_000 : 300)}\"",
        _ => JsonValue.Create(Text()).ToJsonString(),
    };

    private JsonObject Members(JsonObject schema, string shape, int depth)
    {
        var members = new JsonObject();
        if (schema["properties"] is not JsonObject fields)
        {
            for (var i = random.Next(3); i > 0; i--)
            {
                members[Text(40)] = Text(100);
            }

            return members;
        }

        var required = (schema["required"]?.AsArray() ?? []).Select(name => (string)name!).ToHashSet();
        var allowed = Allowed(shape);
        foreach (var (name, field) in fields)
        {
            if (required.Contains(name) || (allowed?.Contains(name) ?? OneIn(2)))
            {
                members[name] = Valid(field!, name, depth + 1);
            }
        }

        if (allowed is ["release", ..] or ["dead-letter", ..])
        {
            members["action"] = allowed[0];
        }

        return members;
    }

    // What the description says in words only: which fields go together.
    private string[]? Allowed(string shape) => shape switch
    {
        "Envelope" => [Pick("body", "text", "json"), .. EnvelopeFields.Where(_ => OneIn(3))],
        "Settlement" => random.Next(3) switch
        {
            0 => ["release", "delayMs", "count", "error"],
            1 => ["dead-letter", "reason", "error"],
            _ => [],
        },
        _ => null,
    };

    private JsonArray Elements(JsonObject schema, string field, int depth)
    {
        var elements = new JsonArray();
        for (var i = depth < 4 ? random.Next(OneIn(20) ? 40 : 4) : 0; i > 0; i--)
        {
            elements.Add(Valid(schema["items"]!, field, depth + 1));
        }

        return elements;
    }

    private string ValidText(JsonObject schema, string field)
    {
        if (schema["enum"] is JsonArray words)
        {
            return (string)words[random.Next(words.Count)]!;
        }

        if ((string?)schema["format"] == "byte")
        {
            var bytes = new byte[OneIn(30) ? random.Next(20_000) : random.Next(40)];
            random.NextBytes(bytes);
            return Convert.ToBase64String(bytes);
        }

        if ((string?)schema["format"] == "date-time")
        {
            return DateTimeOffset.UnixEpoch.AddSeconds(random.Next()).ToString("O", CultureInfo.InvariantCulture);
        }

        if (schema["pattern"] is { } pattern)
        {
            return Matching((string)pattern!, field);
        }

        return field switch
        {
            "queue" or "topic" or "id" or "key" => OneIn(10) ? Text(200) : Name(field),
            "to" or "from" => Pick("first", "last", "next", "3", "2026-01-31T08:30:00Z", "2026-01-31"),
            "partitions" => Pick("0", "0-1", "0,1", "1"),
            "timestamp" => "2026-01-31T08:30:00Z",
            "Last-Event-ID" => Pick("", "0:1", "0:-1,1:4"),
            "owner" => $"o{random.Next(3)}",
            "after" or "prefix" or "continuation" => OneIn(3) ? Text() : seen.Pick(random, "next") ?? "f",
            "contentType" => Pick("text/plain", "application/json", "x"),
            _ => Text(schema["maxLength"] is { } most ? Math.Min(300, (int)most) : 2000),
        };
    }

    private string Matching(string pattern, string field) => pattern switch
    {
        "^[0-9a-f]{32}$" => (OneIn(4) ? null : seen.Pick(random, "token")) ?? Convert.ToHexStringLower(Guid.NewGuid().ToByteArray()),
        @"^\*$" => "*",
        _ when pattern.StartsWith("^\"", StringComparison.Ordinal) => $"\"{seen.Pick(random, "version") ?? "1"}\"",
        _ => (OneIn(2) ? seen.Pick(random, field) : null) ?? $"{random.Next(1000)}-{random.Next(10)}",
    };

    private long Whole(JsonObject schema, string field)
    {
        var (minimum, maximum) = ((long)(Bound(schema, "minimum") ?? long.MinValue), (long)(Bound(schema, "maximum") ?? long.MaxValue));
        if (OneIn(6))
        {
            return Pick(minimum, maximum, Math.Clamp(0, minimum, maximum), Math.Clamp(int.MaxValue, minimum, maximum));
        }

        return field switch
        {
            "fencingToken" => long.Parse(seen.Pick(random, field) ?? "1", CultureInfo.InvariantCulture),
            "revision" => long.Parse(seen.Pick(random, field) ?? "0", CultureInfo.InvariantCulture),
            _ => Math.Clamp(random.Next(12), minimum, maximum),
        };
    }

    private decimal Fraction(JsonObject schema, string field)
    {
        var minimum = Bound(schema, "minimum") ?? 0.0001m;
        var maximum = Bound(schema, "maximum") ?? minimum + 1000;
        return OneIn(6) ? Pick(minimum, maximum) : Math.Clamp(field == "leaseMs" ? random.Next(2000) : random.Next(2000) / 100m, minimum, maximum);
    }

    private static decimal? Bound(JsonObject schema, string name) => schema[name] is { } bound ? decimal.Parse(bound.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture) : null;
}
