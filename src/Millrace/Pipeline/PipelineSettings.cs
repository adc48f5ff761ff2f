using System.Diagnostics.CodeAnalysis;
using Millrace.Diagnostics;
using Millrace.Serialization;

namespace Millrace.Pipeline;

/// <summary>The options of one queue laid over those of its client. Immutable.</summary>
internal sealed class PipelineSettings
{
    private readonly IReadOnlyList<object> _validators;
    private readonly bool _validateAttributes;
    private readonly string? _serializer;

    public PipelineSettings(PipelineOptions client, PipelineOptions? queue, MessageSerializers serializers, int maxBodyBytes, MillraceTelemetry telemetry)
    {
        _serializer = queue?.Serializer ?? client.Serializer;
        _validateAttributes = queue?.ValidateAttributes ?? client.ValidateAttributes ?? true;
        _validators = [.. client.Validators, .. queue?.Validators ?? []];
        SendMiddleware = [.. client.SendMiddleware, .. queue?.SendMiddleware ?? []];
        HandleMiddleware = [.. client.HandleMiddleware, .. queue?.HandleMiddleware ?? []];
        Compression = queue?.Compression ?? client.Compression;
        Serializers = serializers;
        MaxBodyBytes = maxBodyBytes;
        Telemetry = telemetry;
    }

    public IReadOnlyList<ISendMiddleware> SendMiddleware { get; }

    public IReadOnlyList<IHandleMiddleware> HandleMiddleware { get; }

    public CompressionRule? Compression { get; }

    public MessageSerializers Serializers { get; }

    /// <summary>The most bytes of a body before it is compressed and after it is unpacked.</summary>
    public int MaxBodyBytes { get; }

    public MillraceTelemetry Telemetry { get; }

    /// <summary>What writes messages of a type; throws if nothing can.</summary>
    public IMessageSerializer SerializerFor(Type type) => Serializers.ForSending(type, _serializer);

    public IMessageValidator<T>[] ValidatorsFor<[DynamicallyAccessedMembers(MessageType.Members)] T>()
    {
        IMessageValidator<T>? attributes = _validateAttributes ? DataAnnotationsValidator<T>.TryCreate() : null;
        return [.. attributes is null ? [] : new[] { attributes }, .. _validators.OfType<IMessageValidator<T>>()];
    }
}
