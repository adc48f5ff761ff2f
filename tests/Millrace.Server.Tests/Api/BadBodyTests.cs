using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Millrace.Server.Api;
using Millrace.Server.Tests.Api.Description;
using Xunit;

namespace Millrace.Server.Tests.Api;

/// <summary>Bodies that are not what a request takes: each is refused with a problem that says why, and nothing of it is done.</summary>
public sealed class BadBodyTests
{
    private static readonly ServedDescription Description = ServedDescription.Of(ApiHost.Root);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Samples_AreValid_AndHaveEveryFieldOfEveryRequest()
    {
        await using var host = await ApiHost.StartAsync();
        var check = new SchemaCheck(Description);
        foreach (var sample in await RequestSamples.PrepareAsync(host))
        {
            Assert.Empty(check.ErrorsOf(JsonNode.Parse(sample.Json), new JsonObject { ["$ref"] = "#/components/schemas/" + sample.Shape }));
            using var answer = await host.SendAsync(sample.Method, sample.Path, sample.Json);
            Assert.True(answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.NotFound, $"{sample}: {await answer.Content.ReadAsStringAsync(Cancellation)}");
        }

        // What one of several choices has is not seen by name.
        var fields = Description.Root["components"]!["schemas"]!.AsObject()
            .Where(shape => shape.Value!["additionalProperties"] is JsonValue && !shape.Key.EndsWith("Operation", StringComparison.Ordinal) && !shape.Key.StartsWith("Transaction", StringComparison.Ordinal))
            .SelectMany(shape => shape.Value!["properties"]!.AsObject().Select(field => $"{shape.Key}.{field.Key}"));
        Assert.Empty(fields.Except(check.Seen));
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Body_CutAtAnyByte_IsRefused()
    {
        await using var host = await ApiHost.StartAsync();
        var samples = await RequestSamples.PrepareAsync(host);
        var before = await Counts.OfAsync(host);
        foreach (var sample in samples)
        {
            var body = Encoding.UTF8.GetBytes(sample.Json);
            for (var length = 1; length < body.Length; length++)
            {
                await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", sample.Method, sample.Path, body[..length]);
            }

            await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", sample.Method, sample.Path, sample.Json + "{}");
        }

        Assert.Equal(before, await Counts.OfAsync(host));
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Body_OfAnotherTypeOrCharset_IsRefused()
    {
        await using var host = await ApiHost.StartAsync();
        var samples = await RequestSamples.PrepareAsync(host);
        var before = await Counts.OfAsync(host);
        string?[] types = [null, "text/plain", "application/xml", "application/json; charset=utf-16", "application/json; charset=latin1", "application/json; version=1", "application/jsonx", "*/*"];
        foreach (var sample in samples)
        {
            foreach (var type in types)
            {
                await host.RefusedAsync(HttpStatusCode.UnsupportedMediaType, "unsupported-media-type", sample.Method, sample.Path, Encoding.UTF8.GetBytes(sample.Json), type);
            }

            using var compressed = new HttpRequestMessage(sample.Method, new Uri(host.Address, ApiHost.Root + sample.Path)) { Content = new StringContent(sample.Json, Encoding.UTF8, "application/json") };
            compressed.Content.Headers.ContentEncoding.Add("gzip");
            using var answer = await host.Http.SendAsync(compressed, Cancellation);
            Assert.Equal("unsupported-media-type", (await Problem.OfAsync(answer)).Code);
        }

        Assert.Equal(before, await Counts.OfAsync(host));
    }

    [Fact]
    public async Task Body_ThatIsMissing_IsRefused_WhereOneIsNeeded()
    {
        await using var host = await ApiHost.StartAsync();
        var samples = await RequestSamples.PrepareAsync(host);
        string[] optional = ["ReceiverOptions", "DeadLetterFilter", "StreamSettings"];
        foreach (var sample in samples.Where(sample => !optional.Contains(sample.Shape)))
        {
            await host.RefusedAsync(HttpStatusCode.UnsupportedMediaType, "unsupported-media-type", sample.Method, sample.Path);
            await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", sample.Method, sample.Path, "");
        }
    }

    [Fact]
    public async Task Field_OfAnotherTypeOrOutOfRange_IsRefused()
    {
        await using var host = await ApiHost.StartAsync();
        var samples = await RequestSamples.PrepareAsync(host);
        var before = await Counts.OfAsync(host);
        foreach (var sample in samples)
        {
            foreach (var (path, schema) in sample.Values(Description))
            {
                foreach (var wrong in WrongValues(schema))
                {
                    using var answer = await host.SendAsync(sample.Method, sample.Path, sample.With(path, wrong));
                    var text = await answer.Content.ReadAsStringAsync(Cancellation);
                    if (answer.StatusCode == HttpStatusCode.OK && sample.Shape == "Operations")
                    {
                        // Each operation has a problem of its own.
                        var problem = JsonNode.Parse(text)!["results"]![0]!["problem"];
                        Assert.True(problem is not null, $"{string.Join('.', path)} = {wrong}: {text}");
                        Problem.Of((int)problem["status"]!, "application/problem+json", problem.ToJsonString());
                        continue;
                    }

                    Assert.True(answer.StatusCode is HttpStatusCode.BadRequest, $"{sample.Path} {string.Join('.', path)} = {(wrong.Length < 100 ? wrong : "…")}: {(int)answer.StatusCode} {text}");
                    Assert.StartsWith("invalid-", (await Problem.OfAsync(answer)).Code, StringComparison.Ordinal);
                }
            }
        }

        Assert.Equal(before, await Counts.OfAsync(host));
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Field_ThatIsMisspelt_IsRefusedWithTheOneThatWasMeant()
    {
        await using var host = await ApiHost.StartAsync();
        var samples = await RequestSamples.PrepareAsync(host);
        var before = await Counts.OfAsync(host);
        foreach (var sample in samples)
        {
            foreach (var (path, _) in sample.Values(Description).Where(value => value.Path is [.., string]))
            {
                var name = (string)path[^1];
                var problem = await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", sample.Method, sample.Path, sample.Renamed(path, name[0] + name));
                Assert.Contains($"no field '{name[0]}{name}'", problem.Detail, StringComparison.Ordinal);
                Assert.EndsWith($"Did you mean '{name}'?", problem.Detail, StringComparison.Ordinal);
            }
        }

        Assert.Equal(before, await Counts.OfAsync(host));
    }

    [Theory]
    [InlineData("""{"\ud800":1}""")]
    [InlineData("""{"messages\ud800":1}""")]
    [InlineData("""{"messages":[{"text":"\ud800"}]}""")]
    [InlineData("""{"messages":[{"text":"a\udc00b"}]}""")]
    [InlineData("""{"messages":[{"bod\ud800":"a"}]}""")]
    [InlineData("""{"messages":[{"body":"\ud800"}]}""")]
    [InlineData("""{"messages":[{"body":"Zm9v\ud800"}]}""")]
    [InlineData("""{"messages":[{"durability":"non\ud800"}]}""")]
    [InlineData("""{"messages":[{"key":"\udfff"}]}""")]
    [InlineData("""{"messages":[{"headers":{"\ud800":"v"}}]}""")]
    [InlineData("""{"messages":[{"headers":{"n":"\ud800"}}]}""")]
    [InlineData("""{"messages":[{"headers":{"":"v"}}]}""")]
    [InlineData("""{"messages":[{"json":{"a":1,}}]}""")]
    [InlineData("""{"messages":[{"text":"a","body":""}]}""")]
    [InlineData("""{"messages":[{"priority":1e400}]}""")]
    [InlineData("""{"messages":[{"priority":NaN}]}""")]
    [InlineData("""{"messages":[{"delayMs":Infinity}]}""")]
    [InlineData("""{"messages":[{}]}//""")]
    [InlineData("""[]""")]
    [InlineData("""null""")]
    [InlineData("\"messages\"")]
    [InlineData("\uFEFF{\"messages\":[]}")]
    public async Task Batch_ThatCannotBeRead_IsRefused(string json)
    {
        await using var host = await ApiHost.StartAsync();

        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Post, "/queues/q/batches", json);

        Assert.Equal("""{"queues":[],"next":null}""", (await host.JsonAsync(HttpMethod.Get, "/queues")).ToJsonString());
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData("""{"id":"\ud800"}""")]
    [InlineData("""{"since":"2026-01-31T08:30:00\ud800"}""")]
    [InlineData("""{"since":"yesterday"}""")]
    [InlineData("""{"since":"2026-02-31T08:30:00Z"}""")]
    [InlineData("""{"since":"9999-12-31T23:59:59-14:00"}""")]
    public async Task Filter_ThatCannotBeRead_IsRefused(string json)
    {
        await using var host = await ApiHost.StartAsync();
        await RequestSamples.PrepareAsync(host);

        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Post, "/queues/q/redrive", json);

        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Body_ThatIsNoUtf8_IsRefused()
    {
        await using var host = await ApiHost.StartAsync();
        byte[][] wrong = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]];
        foreach (var bytes in wrong)
        {
            byte[] body = [.. "{\"messages\":[{\"text\":\""u8, .. bytes, .. "\"}]}"u8];
            await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Post, "/queues/q/batches", body);
        }
    }

    [Theory]
    [InlineData("[")]
    [InlineData("{\"a\":")]
    [InlineData("{\"messages\":[{\"json\":")]
    public async Task Body_NestedAHundredThousandDeep_IsRefused(string level)
    {
        await using var host = await ApiHost.StartAsync();

        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Post, "/queues/q/batches", string.Concat(Enumerable.Repeat(level, 100_000)));
        await host.RefusedAsync(
            HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Post, "/queues/q/batches", "{\"messages\":[{\"json\":" + string.Concat(Enumerable.Repeat("[", 100_000)) + string.Concat(Enumerable.Repeat("]", 100_000)) + "}]}");
    }

    [Fact]
    public async Task Field_WithAGiantName_IsRefusedShortlyAndAtOnce()
    {
        await using var host = await ApiHost.StartAsync();

        var problem = await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Post, "/queues/q/batches", $$"""{"{{new string('x', 30_000_000)}}":1}""");

        Assert.True(problem.Detail.Length < 300);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Body_OverTheLimit_IsRefusedOnEveryRouteThatTakesOne(bool isChunked)
    {
        await using var host = await ApiHost.StartAsync(new ApiLimits { MaxRequestBytes = 2048 });
        await RequestSamples.PrepareAsync(host);
        var receiver = (string)(await host.JsonAsync(HttpMethod.Post, "/queues/q/receivers"))["receiver"]!;
        var before = await Counts.OfAsync(host);
        foreach (var route in ApiEndpoints.Routes.Where(route => route.Body != ApiBody.None))
        {
            var path = Regex.Replace(route.Path.Replace("{receiver}", receiver, StringComparison.Ordinal).Replace("{partition}", "0", StringComparison.Ordinal), "[{}]", "");
            using var request = new HttpRequestMessage(HttpMethod.Parse(route.Method), new Uri(host.Address, $"{ApiHost.Root}/{path}"));
            request.Content = new ByteArrayContent(new byte[4096]);
            request.Content.Headers.ContentType = new(route.Body.MediaType is { } type and not "*/*" ? type : "application/json");
            request.Headers.TransferEncodingChunked = isChunked;
            using var answer = await host.Http.SendAsync(request, Cancellation);

            var problem = await Problem.OfAsync(answer);
            Assert.Equal((413, "request-too-large", route.Path), (problem.Status, problem.Code, route.Path));
        }

        Assert.Equal(before, await Counts.OfAsync(host));
        host.Log.RequireNoFault();
    }

    [Fact]
    public async Task Batch_OfMoreThanTheServerTakes_IsRefusedWhole()
    {
        await using var host = await ApiHost.StartAsync(new ApiLimits { MaxBatch = 2 });

        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-message", HttpMethod.Post, "/queues/q/batches", """{"messages":[{},{},{}]}""");
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-message", HttpMethod.Post, "/operations", """{"operations":[{"op":"enqueue","queue":"q","messages":[{},{},{}]}]}""");

        Assert.Equal("""{"queues":[],"next":null}""", (await host.JsonAsync(HttpMethod.Get, "/queues")).ToJsonString());
    }

    private static IEnumerable<string> WrongValues(JsonObject schema)
    {
        if (schema["type"] is not { } type)
        {
            // Any JSON will do, but JSON it must be.
            return ["NaN", "'x'", "{]"];
        }

        string[] types = type is JsonArray several ? [.. several.Select(one => (string)one!)] : [(string)type!];
        var wrong = new List<string>();
        Unless("null", "null");
        Unless("boolean", "true");
        Unless("object", "{}");
        Unless("array", "[]");
        if (types.Contains("integer") || types.Contains("number"))
        {
            wrong.AddRange(["\"1\"", "1e400", "-1e400", "NaN", "01", "0x1", "+1", ".5", "1."]);
            Beyond("maximum", 1);
            Beyond("minimum", -1);
            if (schema["exclusiveMinimum"] is { } open)
            {
                wrong.AddRange([open.ToJsonString(), "-1"]);
            }
        }
        else
        {
            wrong.AddRange(["1", "9007199254740993"]);
        }

        if (types.Contains("integer"))
        {
            wrong.AddRange(["1.5", "9007199254740993.5", "99999999999999999999"]);
        }

        if (types.Contains("string"))
        {
            wrong.Add("\"\\ud800\"");
            wrong.AddRange(schema["maxLength"] is { } most && (long)most < 1000 ? [$"\"{new string('x', (int)most + 1)}\"", "\"\\u0001\""] : []);
            wrong.AddRange(schema["minLength"] is { } least && (long)least > 0 ? ["\"\""] : []);
            wrong.AddRange(schema["enum"] is not null || schema["pattern"] is not null || (string?)schema["format"] is "byte" or "date-time" ? ["\"?\""] : []);
        }
        else
        {
            wrong.AddRange(["\"x\"", "\"NaN\""]);
        }

        return wrong.Distinct();

        void Unless(string name, string value)
        {
            if (!types.Contains(name))
            {
                wrong.Add(value);
            }
        }

        void Beyond(string bound, int by)
        {
            if (schema[bound] is { } value)
            {
                wrong.Add((decimal.Parse(value.ToJsonString(), CultureInfo.InvariantCulture) + by).ToString(CultureInfo.InvariantCulture));
            }
        }
    }
}
