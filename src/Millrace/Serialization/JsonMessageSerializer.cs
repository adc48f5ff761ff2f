using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Millrace.Serialization;

/// <summary>
/// JSON by <c>System.Text.Json</c>; the serializer of every type that has no other. Metadata comes from the options' resolvers, source-generated contexts among them.
/// Reflection is used only where the runtime has it on (<see cref="JsonSerializer.IsReflectionEnabledByDefault"/>), which a trimmed application has not.
/// </summary>
public sealed class JsonMessageSerializer : IMessageSerializer
{
    /// <summary><c>application/json</c>.</summary>
    public const string MediaType = "application/json";

    // The thread's writer, of the serializer that used it last; null while it writes, for a converter may serialize with another one.
    [ThreadStatic]
    private static (JsonMessageSerializer Owner, Utf8JsonWriter Writer)? _spare;

    private static readonly ArrayBufferWriter<byte> Nowhere = new();

    private readonly JsonSerializerOptions _options;
    private readonly JsonWriterOptions _writerOptions;

    /// <summary>A serializer with the given options, which become read-only; null: <see cref="CreateDefaultOptions"/>.</summary>
    public JsonMessageSerializer(JsonSerializerOptions? options = null)
    {
        _options = options ?? CreateDefaultOptions();
        _options.TypeInfoResolver ??= DefaultResolver();
        _options.MakeReadOnly();
        _writerOptions = new JsonWriterOptions
        {
            Encoder = _options.Encoder,
            Indented = _options.WriteIndented,
            MaxDepth = _options.MaxDepth,
        };
    }

    /// <inheritdoc/>
    public string ContentType => MediaType;

    /// <summary>Options that suit messages: camel-case names, read without case, numbers also from texts; reflection where the runtime has it on.</summary>
    public static JsonSerializerOptions CreateDefaultOptions() => new(JsonSerializerDefaults.Web) { TypeInfoResolver = DefaultResolver() };

    /// <inheritdoc/>
    public bool Supports(Type type) => _options.TryGetTypeInfo(type, out _);

    /// <inheritdoc/>
    public void Serialize<T>(T message, IBufferWriter<byte> output)
    {
        Utf8JsonWriter writer;
        if (_spare is { } spare && spare.Owner == this)
        {
            writer = spare.Writer;
            writer.Reset(output);
        }
        else
        {
            writer = new Utf8JsonWriter(output, _writerOptions);
        }

        _spare = null;
        JsonSerializer.Serialize(writer, message, TypeInfo<T>());
        writer.Flush();
        writer.Reset(Nowhere);
        _spare = (this, writer);
    }

    /// <inheritdoc/>
    public T Deserialize<T>(ReadOnlyMemory<byte> body) =>
        JsonSerializer.Deserialize(body.Span, TypeInfo<T>()) ?? throw new JsonException("The body is the JSON value null, which is no message.");

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Reached only where reflection is on; trimming turns it off, and the empty resolver is used.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Reached only where reflection is on; compiling ahead of time turns it off.")]
    private static IJsonTypeInfoResolver DefaultResolver() =>
        JsonSerializer.IsReflectionEnabledByDefault ? new DefaultJsonTypeInfoResolver() : JsonTypeInfoResolver.Combine();

    private JsonTypeInfo<T> TypeInfo<T>() => (JsonTypeInfo<T>)_options.GetTypeInfo(typeof(T));
}
