using System.Diagnostics.CodeAnalysis;

namespace Millrace.Serialization;

/// <summary>
/// The serializers of a client, by name and by content type. Has <c>json</c>, <c>bytes</c> and <c>text</c> from the start; names are compared without case.
/// Filled while a client is configured; read by any thread afterwards.
/// </summary>
public sealed class MessageSerializers
{
    private readonly Dictionary<string, IMessageSerializer> _byName = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, IMessageSerializer> _byContentType = new(StringComparer.OrdinalIgnoreCase);
    private readonly BytesMessageSerializer _bytes = new();
    private readonly TextMessageSerializer _text = new();

    /// <summary>The built-in serializers, with the default JSON options.</summary>
    public MessageSerializers()
    {
        Add("bytes", _bytes);
        Add("text", _text);
        Add("json", new JsonMessageSerializer());
    }

    /// <summary>The registered names, sorted.</summary>
    public IReadOnlyList<string> Names => [.. _byName.Keys.Order(StringComparer.OrdinalIgnoreCase)];

    /// <summary>Registers a serializer under a name and its content type.</summary>
    /// <param name="name">A short name, such as <c>msgpack</c>.</param>
    /// <param name="serializer">The serializer.</param>
    /// <param name="replace">True to replace an earlier one on purpose.</param>
    /// <exception cref="MillraceConfigurationException">The name or the content type is taken, or empty.</exception>
    public void Add(string name, IMessageSerializer serializer, bool replace = false)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(serializer);
        var key = name.Trim();
        var contentType = WithoutParameters(serializer.ContentType);
        if (key.Length == 0 || contentType.Length == 0)
        {
            throw new MillraceConfigurationException($"A serializer needs a name and a content type; {serializer.GetType().Name} was given '{name}' and '{serializer.ContentType}'.");
        }

        if (!replace && (_byName.ContainsKey(key) || _byContentType.ContainsKey(contentType)))
        {
            throw new MillraceConfigurationException(
                $"A serializer for '{(_byName.ContainsKey(key) ? key : contentType)}' is already registered. Pass replace: true to replace it on purpose.");
        }

        _byName[key] = serializer;
        _byContentType[contentType] = serializer;
    }

    /// <summary>The serializer with this name or content type.</summary>
    /// <exception cref="MillraceConfigurationException">There is none; lists the names.</exception>
    public IMessageSerializer Get(string nameOrContentType)
    {
        ArgumentNullException.ThrowIfNull(nameOrContentType);
        return _byName.TryGetValue(nameOrContentType.Trim(), out var serializer) || TryGetByContentType(nameOrContentType, out serializer)
            ? serializer
            : throw new MillraceConfigurationException($"There is no serializer '{nameOrContentType}'. Registered are {string.Join(", ", Names)}.");
    }

    /// <summary>What writes <paramref name="type"/>: the named serializer if one is named; else bytes and texts as they are, everything else as JSON.</summary>
    /// <exception cref="MillraceConfigurationException">The serializer does not exist, or does not support the type.</exception>
    internal IMessageSerializer ForSending(Type type, string? name)
    {
        var serializer = name is not null ? Get(name) : ReadsEverything(type) ?? Get("json");
        return serializer.Supports(type)
            ? serializer
            : throw new MillraceConfigurationException(serializer is JsonMessageSerializer
                ? $"There is no JSON metadata for {type}: pass a source-generated context that has it (options.UseJson(MyContext.Default))."
                : $"The serializer for {serializer.ContentType} does not support {type}.");
    }

    /// <summary>What reads a body of <paramref name="contentType"/> as <paramref name="type"/>. A body without content type is read by what would have written it.</summary>
    /// <exception cref="MessageSerializationException">No serializer can.</exception>
    internal IMessageSerializer ForReading(Type type, string? contentType, IMessageSerializer writer)
    {
        if (ReadsEverything(type) is { } any && writer == any)
        {
            return any;
        }

        if (string.IsNullOrEmpty(contentType))
        {
            return writer;
        }

        if (!TryGetByContentType(contentType, out var serializer))
        {
            throw new MessageSerializationException(
                $"There is no serializer for the content type '{contentType}'. Registered are {string.Join(", ", _byContentType.Keys.Order(StringComparer.Ordinal))}.", contentType);
        }

        return serializer.Supports(type)
            ? serializer
            : throw new MessageSerializationException($"A body of content type '{contentType}' cannot be read as {type.Name}.", contentType);
    }

    private IMessageSerializer? ReadsEverything(Type type) => _bytes.Supports(type) ? _bytes : _text.Supports(type) ? _text : null;

    private bool TryGetByContentType(string contentType, [MaybeNullWhen(false)] out IMessageSerializer serializer)
    {
        var mediaType = WithoutParameters(contentType);
        return _byContentType.TryGetValue(mediaType, out serializer)
            || (mediaType.EndsWith("+json", StringComparison.OrdinalIgnoreCase) && _byContentType.TryGetValue(JsonMessageSerializer.MediaType, out serializer));
    }

    private static string WithoutParameters(string contentType)
    {
        var semicolon = contentType.IndexOf(';', StringComparison.Ordinal);
        return (semicolon < 0 ? contentType : contentType[..semicolon]).Trim();
    }
}
