using System.Text.Json.Nodes;
using Millrace.Server.Errors;
using Millrace.Server.Api;
using Millrace.Server.Api.Description;
using Millrace.Storage.Http.Wire;
using Xunit;

namespace Millrace.Server.Tests.Api.Description;

public sealed class DescriptionTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Description_OfARunningServer_IsOpenApi31AndStaysTheSame()
    {
        await using var host = await ApiHost.StartAsync();

        using var answer = await host.SendAsync(HttpMethod.Get, "/openapi.json");
        var document = JsonNode.Parse(await answer.Content.ReadAsByteArrayAsync(Cancellation))!;

        Assert.Equal("application/json", answer.Content.Headers.ContentType?.ToString());
        Assert.StartsWith("3.1.", (string)document["openapi"]!, StringComparison.Ordinal);
        Assert.NotEmpty((string)document["info"]!["title"]!);
        Assert.Equal("""[{},{"basic":[]},{"bearer":[]}]""", document["security"]!.ToJsonString());
        Assert.Same(host.Instance.Description, host.Instance.Description);
        using var head = await host.SendAsync(HttpMethod.Head, "/openapi.json");
        Assert.Equal(host.Instance.Description.Length, head.Content.Headers.ContentLength);
    }

    [Fact]
    public void Description_OfTheTable_HasEveryRouteAndNoOther()
    {
        var described = ServedDescription.Of("/api/v1").Operations.Select(operation => $"{operation.Method} {operation.Path}");

        Assert.Equal(
            ApiEndpoints.Routes.Select(route => $"{route.Method} /api/v1{(route.Path.Length == 0 ? "" : "/" + route.Path)}").Order(StringComparer.Ordinal),
            described.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Description_OfANamedInstance_HasItsPaths_AndThoseOfTheNode()
    {
        var paths = ServedDescription.Of("/api/v1/instances/other").Operations.Select(operation => operation.Path).Distinct().ToLookup(path => path.StartsWith("/api/v1/instances/other", StringComparison.Ordinal));

        Assert.Equal(ApiEndpoints.Routes.Where(route => !route.IsOfNode).Select(route => route.Path).Distinct().Count(), paths[true].Count());
        Assert.Equal(["/api/v1/connections", "/api/v1/connections/{connection}"], paths[false].Order(StringComparer.Ordinal));
    }

    [Fact]
    public void References_OfTheDescription_LeadToShapes_AndEveryShapeIsUsed()
    {
        var document = ServedDescription.Of("/api/v1");
        var used = ReferencesIn(document.Root).ToHashSet();
        var shapes = document.Root["components"]!["schemas"]!.AsObject().Select(shape => "#/components/schemas/" + shape.Key).ToHashSet();

        Assert.Equal(shapes.Order(StringComparer.Ordinal), used.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Codes_OfProblems_AreAllDescribed_WithTheirStatus()
    {
        var constants = typeof(ProblemMap).GetFields().Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!).Append(ProblemAnswer.InternalCode);
        var described = ServedDescription.Of("/api/v1").Root["components"]!["schemas"]!["Problem"]!["properties"]!["code"]!["enum"]!.AsArray().Select(code => (string)code!).ToList();

        Assert.Equal(constants.Order(StringComparer.Ordinal), described.Order(StringComparer.Ordinal));
        foreach (var exception in ExpectedFaults())
        {
            var problem = ProblemMap.Of(exception)!;
            Assert.Contains((problem.Code, problem.Status), ProblemCodes.All);
        }
    }

    [Fact]
    public void ProblemsOfRoutes_AreKnownCodes() =>
        Assert.All(ApiEndpoints.Routes.SelectMany(route => route.Problems), code => Assert.Contains(ProblemCodes.All, problem => problem.Code == code));

    private static IEnumerable<Exception> ExpectedFaults() =>
    [
        new WireFormatException("x"),
        new InvalidNameException("queue", "x", "y"),
        new InvalidMessageException("x"),
        new AccessDeniedException("x"),
        new QueueNotFoundException("x"),
        new StreamNotFoundException("x"),
        new StreamMismatchException("x"),
        new OffsetOutOfRangeException("x", 1, 2, 3),
        new QueueFullException("x", "y"),
        new BackendCapabilityException("x", "y", []),
        new MillraceConfigurationException("x"),
        new StorageCorruptException("x"),
        new BackendUnavailableException("x"),
        new BackendErrorException("x"),
        new ObjectDisposedException("x"),
        new ArgumentException("x"),
    ];

    private static IEnumerable<string> ReferencesIn(JsonNode? node) => node switch
    {
        JsonObject members => members.SelectMany(member => member is { Key: "$ref", Value: JsonValue target } ? [(string)target!] : ReferencesIn(member.Value)),
        JsonArray elements => elements.SelectMany(ReferencesIn),
        _ => [],
    };
}
