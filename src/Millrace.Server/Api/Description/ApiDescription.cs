using System.Text.Json.Nodes;
using Microsoft.OpenApi;

namespace Millrace.Server.Api.Description;

/// <summary>The description of the API (OpenAPI 3.1), made from the table of its routes and the shapes of its JSON.</summary>
internal static class ApiDescription
{
    /// <summary>The codes of the problems that an operation may meet.</summary>
    public const string ProblemsExtension = "x-millrace-problems";

    private const string Json = "application/json";
    private const string ProblemJson = Storage.Http.Wire.WireProblem.MediaType;

    /// <summary>The document, for an instance whose routes begin with this root.</summary>
    public static byte[] Write(string root, ApiLimits limits)
    {
        var document = new OpenApiDocument
        {
            Info = new OpenApiInfo
            {
                Title = "Millrace",
                Version = typeof(MillraceServer).Assembly.GetName().Version?.ToString(3) ?? "",
                Description = "Names in paths are percent-encoded UTF-8 and decoded once. What takes GET takes HEAD. Problems are RFC 9457 documents; programs look at 'code'.",
            },
            Paths = [],
            Components = new OpenApiComponents
            {
                Schemas = new Dictionary<string, IOpenApiSchema>(),
                SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
                {
                    ["basic"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "basic", Description = "A user and a password." },
                    ["bearer"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "A user's key." },
                },
            },
        };
        var shapes = new ApiShapes(document, limits);
        foreach (var (name, schema) in shapes.All())
        {
            document.Components.Schemas[name] = schema;
        }

        // A server without users needs none.
        document.Security =
        [
            [],
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("basic", document)] = [] },
            new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", document)] = [] },
        ];
        foreach (var path in ApiEndpoints.Routes.GroupBy(route => route.Path))
        {
            var below = path.First().IsOfNode ? ApiEndpoints.Root : root;
            document.Paths[path.Key.Length == 0 ? below : $"{below}/{path.Key}"] = new OpenApiPathItem
            {
                Operations = path.ToDictionary(route => HttpMethod.Parse(route.Method), route => Operation(route, shapes)),
            };
        }

        // What refers to a scheme that the document does not know is left out.
        document.RegisterComponents();
        using var bytes = new MemoryStream();
        using (var text = new StreamWriter(bytes, leaveOpen: true))
        {
            document.SerializeAsV31(new OpenApiJsonWriter(text, new OpenApiJsonWriterSettings { Terse = true }));
        }

        return bytes.ToArray();
    }

    private static OpenApiOperation Operation(ApiRoute route, ApiShapes shapes)
    {
        var operation = new OpenApiOperation
        {
            Summary = route.Summary,
            Parameters = [.. PathParameters(route.Path), .. Parameters(route.Query, ParameterLocation.Query), .. Parameters(route.Headers, ParameterLocation.Header)],
            RequestBody = Body(route.Body, shapes),
            Responses = [],
        };
        foreach (var status in route.Success)
        {
            operation.Responses[Text(status)] = Success(route, status, shapes);
        }

        var codes = new JsonArray();
        foreach (var (status, ofStatus) in ProblemCodes.Of(route))
        {
            operation.Responses[Text(status)] = new OpenApiResponse { Description = string.Join(", ", ofStatus), Content = Content(ProblemJson, shapes.Ref("Problem")) };
            Array.ForEach(ofStatus, code => codes.Add((JsonNode)code));
        }

        operation.AddExtension(ProblemsExtension, new JsonNodeExtension(codes));
        return operation;
    }

    private static OpenApiResponse Success(ApiRoute route, int status, ApiShapes shapes)
    {
        var response = new OpenApiResponse { Description = SuccessOf(status) };
        if (status is not (202 or 204))
        {
            response.Content = route.Answer is { } shape ? Content(Json, shapes.Ref(shape))
                : route.AnswerType is { } type ? Content(type, new OpenApiSchema())
                : null;
        }

        return response;
    }

    private static string SuccessOf(int status) => status switch
    {
        201 => "It was created.",
        202 => "The wait has passed.",
        204 => "It was done, or there is nothing to say.",
        _ => "The answer.",
    };

    private static OpenApiRequestBody? Body(ApiBody body, ApiShapes shapes) => body.MediaType is null ? null : new OpenApiRequestBody
    {
        Required = body.IsRequired,
        Content = Content(body.MediaType, body.Shape is { } shape ? shapes.Ref(shape) : new OpenApiSchema()),
    };

    private static Dictionary<string, OpenApiMediaType> Content(string type, IOpenApiSchema schema) => new() { [type] = new OpenApiMediaType { Schema = schema } };

    private static IEnumerable<IOpenApiParameter> PathParameters(string path) =>
        path.Split('/').Where(segment => segment.StartsWith('{')).Select(segment => new OpenApiParameter
        {
            Name = segment[1..^1],
            In = ParameterLocation.Path,
            Required = true,
            Schema = ApiShapes.Text("1 to 200 bytes of UTF-8 without control characters.", 1, ResourceName.MaxBytes),
        });

    private static IEnumerable<IOpenApiParameter> Parameters(ApiParameter[] parameters, ParameterLocation location) =>
        parameters.Select(parameter => new OpenApiParameter { Name = parameter.Name, In = location, Description = parameter.Summary, Schema = Schema(parameter) });

    private static OpenApiSchema Schema(ApiParameter parameter)
    {
        switch (parameter)
        {
            case NumberParameter number:
                var whole = ApiShapes.Whole(number.Summary, number.Minimum, number.Maximum);
                whole.Default = number.Default is { } value ? JsonValue.Create(value) : null;
                return whole;
            case ChoiceParameter choice:
                var words = ApiShapes.Words(choice.Summary, choice.Words);
                words.Default = JsonValue.Create(choice.Words[0]);
                return words;
            default:
                var text = ApiShapes.Text(parameter.Summary);
                text.Pattern = (parameter as TextParameter)?.Pattern;
                return text;
        }
    }

    private static string Text(int status) => status.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
