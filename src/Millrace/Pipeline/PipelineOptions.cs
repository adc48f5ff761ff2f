using Millrace.Serialization;

namespace Millrace.Pipeline;

/// <summary>
/// What happens to messages between their sender and the store, and between the store and their handler: for a whole client, or for one queue of it.
/// A queue's serializer and compression replace the client's; its validators and middleware come after the client's. Not safe for concurrent use.
/// </summary>
public class PipelineOptions
{
    private readonly List<object> _validators = [];
    private readonly List<ISendMiddleware> _sending = [];
    private readonly List<IHandleMiddleware> _handling = [];

    /// <summary>
    /// The name or content type of the serializer that writes messages; null, the default: bytes and texts as they are, everything else as JSON.
    /// Messages are read by the content type that they carry.
    /// </summary>
    public string? Serializer { get; set; }

    /// <summary>Whether types are checked by the attributes of <c>System.ComponentModel.DataAnnotations</c> that they carry; null, the default: as the client, and there true.</summary>
    public bool? ValidateAttributes { get; set; }

    internal CompressionRule? Compression { get; private set; }

    internal IReadOnlyList<object> Validators => _validators;

    internal IReadOnlyList<ISendMiddleware> SendMiddleware => _sending;

    internal IReadOnlyList<IHandleMiddleware> HandleMiddleware => _handling;

    /// <summary>Compresses bodies that have at least <paramref name="thresholdBytes"/>, where that makes them smaller. Receivers need no setting: the header <c>content-encoding</c> tells them.</summary>
    /// <param name="thresholdBytes">From which size on; not negative.</param>
    /// <param name="codec">How.</param>
    public PipelineOptions Compress(int thresholdBytes = 1024, BodyCodec codec = BodyCodec.Brotli)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(thresholdBytes);
        if (!Enum.IsDefined(codec))
        {
            throw new ArgumentOutOfRangeException(nameof(codec), codec, "The codec must be Brotli or GZip.");
        }

        Compression = new CompressionRule(thresholdBytes, codec);
        return this;
    }

    /// <summary>Adds a validator of one type of messages. It also checks types that derive from it.</summary>
    public PipelineOptions AddValidator<T>(IMessageValidator<T> validator)
    {
        ArgumentNullException.ThrowIfNull(validator);
        _validators.Add(validator);
        return this;
    }

    /// <summary>Adds a validator that yields what is wrong: <c>AddValidator&lt;Order&gt;(o => o.Quantity &lt; 1 ? [new("Quantity", "must be 1 or more")] : [])</c>.</summary>
    public PipelineOptions AddValidator<T>(Func<T, IEnumerable<MessageProblem>> check)
    {
        ArgumentNullException.ThrowIfNull(check);
        return AddValidator(new DelegateValidator<T>(check));
    }

    /// <summary>Adds a step around sending. Steps run in the order in which they were added.</summary>
    public PipelineOptions OnSend(ISendMiddleware middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        _sending.Add(middleware);
        return this;
    }

    /// <summary>Adds a step around sending, as a lambda.</summary>
    public PipelineOptions OnSend(Func<SendContext, SendDelegate, CancellationToken, Task> middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        return OnSend(new DelegateSendMiddleware(middleware));
    }

    /// <summary>Adds a step around handling. Steps run in the order in which they were added.</summary>
    public PipelineOptions OnHandle(IHandleMiddleware middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        _handling.Add(middleware);
        return this;
    }

    /// <summary>Adds a step around handling, as a lambda.</summary>
    public PipelineOptions OnHandle(Func<MessageContext, HandleDelegate, CancellationToken, Task> middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        return OnHandle(new DelegateHandleMiddleware(middleware));
    }

    private sealed class DelegateSendMiddleware(Func<SendContext, SendDelegate, CancellationToken, Task> middleware) : ISendMiddleware
    {
        public Task InvokeAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken) => middleware(context, next, cancellationToken);
    }

    private sealed class DelegateHandleMiddleware(Func<MessageContext, HandleDelegate, CancellationToken, Task> middleware) : IHandleMiddleware
    {
        public Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken) => middleware(context, next, cancellationToken);
    }
}

/// <summary>From which size on bodies are compressed, and how.</summary>
internal sealed record CompressionRule(int ThresholdBytes, BodyCodec Codec);
