using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Millrace.Server.Tests.Api.Description;

namespace Millrace.Server.Tests.Api.Fuzz;

/// <summary>Makes requests from the description: valid ones, and ones that were valid before something was done to them.</summary>
internal sealed class FuzzGenerator(ServedDescription description, Random random, SeenValues seen)
{
    private const string Mark = "HERE_IT_GOES";

    private static readonly (string Name, string Value)[] OddHeaders =
    [
        ("Connection", "close"), ("Expect", "100-continue"), ("Expect", "x"), ("Upgrade", "h2c"), ("Content-Encoding", "gzip"), ("Range", "bytes=0-"), ("If-Match", "\"1\""), ("If-Match", "x"),
        ("If-None-Match", "*"), ("Last-Event-ID", "x"), ("Last-Event-ID", "1-1"), ("Origin", "null"), ("Cookie", "a=b"), ("Authorization", "Basic eDp5"), ("Authorization", "Bearer x"), ("Accept", "text/html"),
        ("Accept-Encoding", "br"), ("Millrace-Colour", "red"), ("Millrace-Priority", "99"), ("Millrace-Header-%zz", "x"), ("Millrace-Id", "%00"), ("Millrace-Header-x", "%C3%A9"), ("Content-Type", "text/plain"),
        ("X-Forwarded-For", "1.2.3.4"), ("X-HTTP-Method-Override", "DELETE"), ("X", "\u00ff\u0080"), ("X", "a\u0000b"), ("X Y", "z"), ("", "x"), ("Transfer-Encoding", "gzip"), ("Host", "y"),
    ];

    private readonly RandomValues _values = new(description, random, seen);

    public FuzzRequest Next()
    {
        var operation = description.Operations[random.Next(description.Operations.Count)];
        var request = Valid(operation);
        var body = operation.Body is { } described && request.Body is not null ? described.Schema : null;
        switch (random.Next(14))
        {
            case 0 or 1 or 2 or 3:
                request.What = "valid";
                break;
            case 4 or 5 or 6 when body is not null:
                MutateField(request, body);
                break;
            case 7 when request.Body is not null:
                MutateBytes(request);
                break;
            case 8:
                OddQuery(request);
                break;
            case 9:
                OddPath(request, operation);
                break;
            case 10:
                OddHeader(request);
                break;
            case 11:
                Cut(request);
                break;
            case 12:
                Garble(request);
                break;
            default:
                OddMethod(request);
                break;
        }

        request.What = $"{request.What}: {operation}";
        return request;
    }

    private FuzzRequest Valid(DescribedOperation operation)
    {
        var path = Regex.Replace(operation.Path, "{([a-z]+)}", match => Uri.EscapeDataString(_values.Name(match.Groups[1].Value)));
        var query = operation.Parameters("query").Where(_ => _values.OneIn(3))
            .Select(parameter => $"{parameter["name"]}={Uri.EscapeDataString(_values.Parameter(parameter["schema"]!, (string)parameter["name"]!))}").ToList();
        var request = new FuzzRequest { Method = operation.Method, Target = query.Count == 0 ? path : $"{path}?{string.Join('&', query)}", Operation = operation };
        foreach (var parameter in operation.Parameters("header").Where(_ => _values.OneIn(4)))
        {
            var value = _values.Parameter(parameter["schema"]!, (string)parameter["name"]!);
            request.Headers.Add(((string)parameter["name"]!, parameter["schema"]!["pattern"] is null ? Uri.EscapeDataString(value) : value));
        }

        if (operation.Body is not { } body)
        {
            return request;
        }

        if (body.MediaType == "application/json")
        {
            request.Headers.Add(("Content-Type", _values.Pick("application/json", "application/json; charset=utf-8")));
            request.Body = Encoding.UTF8.GetBytes(_values.Valid(body.Schema)!.ToJsonString());
        }
        else
        {
            request.Headers.Add(("Content-Type", _values.Pick("text/plain", "application/octet-stream", "application/x-www-form-urlencoded")));
            request.Body = new byte[_values.OneIn(30) ? random.Next(50_000) : random.Next(40)];
            random.NextBytes(request.Body);
        }

        return request;
    }

    private void MutateField(FuzzRequest request, JsonNode schema)
    {
        var root = _values.Valid(schema)!;
        var objects = ObjectsIn(root).Where(members => members.Count > 0).ToList();
        if (objects.Count == 0)
        {
            MutateBytes(request);
            return;
        }

        var members = objects[random.Next(objects.Count)];
        var name = members.ElementAt(random.Next(members.Count)).Key;
        var (what, mark) = ("", "");
        switch (random.Next(5))
        {
            case 0:
                what = "without a field";
                members.Remove(name);
                break;
            case 1:
                what = "a field twice";
                members[Mark] = Mark;
                mark = $"{JsonValue.Create(name).ToJsonString()}:{_values.Wrong()}";
                break;
            case 2:
                what = "a field of another name";
                members[Mark] = Mark;
                mark = $"{JsonValue.Create(_values.OneIn(2) ? name + "s" : _values.Text()).ToJsonString()}:1";
                break;
            default:
                what = "a field of another value";
                members[name] = Mark;
                mark = _values.Wrong();
                break;
        }

        var text = root.ToJsonString();
        text = text.Contains($"\"{Mark}\":\"{Mark}\"", StringComparison.Ordinal)
            ? text.Replace($"\"{Mark}\":\"{Mark}\"", mark, StringComparison.Ordinal)
            : text.Replace($"\"{Mark}\"", mark, StringComparison.Ordinal);
        (request.What, request.Body) = (what, Encoding.UTF8.GetBytes(text));
    }

    private void MutateBytes(FuzzRequest request)
    {
        var bytes = request.Body!.ToList();
        for (var changes = random.Next(1, 6); changes > 0; changes--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(4))
            {
                case 0:
                    bytes.Insert(at, (byte)random.Next(256));
                    break;
                case 1 when at < bytes.Count:
                    bytes.RemoveAt(at);
                    break;
                case 2 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        request.What = "changed bytes";
        request.Body = [.. bytes];
        if (_values.OneIn(200))
        {
            (request.What, request.Body) = ("a giant body", new byte[2 * FuzzTests.MaxRequestBytes]);
            request.IsBroken = true;
        }
    }

    private void OddQuery(FuzzRequest request)
    {
        var names = request.Operation!.Parameters("query").Select(parameter => (string)parameter["name"]!).Append("limit").ToArray();
        var name = names[random.Next(names.Length)];
        var odd = random.Next(6) switch
        {
            0 => $"{name}=1&{name}=2",
            1 => $"{name}={Uri.EscapeDataString(_values.Text())}",
            2 => $"{name.ToUpperInvariant()}=1",
            3 => $"{Uri.EscapeDataString(_values.Text(40))}={Uri.EscapeDataString(_values.Text(40))}",
            4 => $"{name}={_values.Pick("%", "%zz", "%FF", "%C0%80", "%ED%A0%80", "1%", "%2")}",
            _ => _values.Pick("&", "=", "?", "&&&", "a[]=1", "%00=1", ";", "+", "a=b=c"),
        };
        request.What = "odd query";
        request.Target += (request.Target.Contains('?', StringComparison.Ordinal) ? '&' : '?') + odd;
    }

    private void OddPath(FuzzRequest request, DescribedOperation operation)
    {
        request.What = "odd path";
        request.MayBeBare = true;
        if (_values.OneIn(3))
        {
            request.Target = _values.Pick("//api/v1", "/api/v1//queues", "/api/v1/queues/../x", "/%61pi/v1", "*", "http://x/api/v1/queues", "/api/v1/queues/%00", "/api/v1/queues/a%2Fb/stats", "x", "/", "/api/v1/" + new string('x', 9000));
            request.Operation = null;
            return;
        }

        // One name is odd; the operation is the same, unless the name is empty.
        request.Target = Regex.Replace(operation.Path, "{[a-z]+}", _ => _values.OneIn(4) ? _values.Pick("%", "%zz", "%FF", "%C0%80", "%2F", ".", "..", "%00") : Uri.EscapeDataString(_values.Text()));
        request.Operation = request.Target.Contains("//", StringComparison.Ordinal) || request.Target.EndsWith('/') ? null : operation;
    }

    private void OddHeader(FuzzRequest request)
    {
        request.What = "odd header";
        request.MayBeBare = true;
        for (var count = random.Next(1, 4); count > 0; count--)
        {
            request.Headers.Add(OddHeaders[random.Next(OddHeaders.Length)]);
        }

        if (_values.OneIn(10))
        {
            request.Headers.AddRange(Enumerable.Range(0, 120).Select(i => ($"X-{i}", "x")));
        }

        if (_values.OneIn(10) && request.Body is not null)
        {
            request.IsBroken = true;
            request.Headers.Add(_values.Pick(("Content-Length", "0"), ("Content-Length", "-1"), ("Content-Length", "99999999"), ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")));
        }

        request.IsBroken |= request.Headers.Any(header => header.Name is "Transfer-Encoding");
    }

    private void Cut(FuzzRequest request)
    {
        request.What = "cut";
        request.IsBroken = true;
        request.MayBeBare = true;
        request.Cut = random.Next(request.ToBytes().Length);
    }

    private void Garble(FuzzRequest request)
    {
        var bytes = request.ToBytes();
        for (var changes = random.Next(1, 8); changes > 0; changes--)
        {
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        }

        request.What = "garbled";
        request.IsBroken = true;
        request.MayBeBare = true;
        request.Operation = null;
        request.Garbage = bytes;
    }

    private void OddMethod(FuzzRequest request)
    {
        request.What = "odd method";
        request.Method = _values.Pick("HEAD", "PATCH", "OPTIONS", "TRACE", "GET", "POST", "PUT", "DELETE", "X", "get");
        request.MayBeBare = true;
        request.Operation = null;
    }

    private static IEnumerable<JsonObject> ObjectsIn(JsonNode? node) => node switch
    {
        JsonObject members => members.SelectMany(member => ObjectsIn(member.Value)).Prepend(members),
        JsonArray elements => elements.SelectMany(ObjectsIn),
        _ => [],
    };
}
