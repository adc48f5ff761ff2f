using Millrace.Queues;
using Millrace.Scheduling;
using Millrace.Storage;

namespace Millrace.Pipeline;

/// <summary>One attempt at handling one message: the message, its circumstances, and the services of its scope. Used by one attempt at a time.</summary>
public sealed class MessageContext
{
    private readonly Delivery _delivery;
    private object? _body;
    private Dictionary<string, object?>? _items;

    internal MessageContext(string queue, in Delivery delivery, IServiceProvider services, CancellationToken cancellationToken)
    {
        Queue = queue;
        _delivery = delivery;
        Services = services;
        CancellationToken = cancellationToken;
    }

    /// <summary>The queue that the message came from.</summary>
    public string Queue { get; }

    /// <summary>The message as the store keeps it. Its bytes are valid until this attempt ends.</summary>
    public Message Message => _delivery.Message;

    /// <summary>The message's id.</summary>
    public MessageId Id => Message.Id;

    /// <summary>The headers.</summary>
    public MessageHeaders Headers => Message.Headers;

    /// <summary>The ordering key, or null.</summary>
    public string? Key => Message.Key;

    /// <summary>Which counted attempt this is, from 1.</summary>
    public int Attempt => _delivery.Attempt;

    /// <summary>Whether the message may have been delivered before, counted or not.</summary>
    public bool Redelivered => _delivery.Redelivered;

    /// <summary>Ends when the lease is lost, the attempt takes too long, or the host stops waiting.</summary>
    public CancellationToken CancellationToken { get; }

    /// <summary>The services of this attempt's scope; empty in a program without a service provider.</summary>
    public IServiceProvider Services { get; }

    /// <summary>The object that was read from the body. A middleware may replace it by another of the same type.</summary>
    /// <exception cref="ArgumentException">The replacement is of another type.</exception>
    public object Body
    {
        get => _body ?? throw new InvalidOperationException("The body has not been read yet.");
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            _body = BodyType is null || BodyType.IsInstanceOfType(value)
                ? value
                : throw new ArgumentException($"The handler takes messages of type {BodyType}; a middleware replaced one by {value.GetType()}.", nameof(value));
        }
    }

    /// <summary>What middleware wants to hand to later steps.</summary>
    public IDictionary<string, object?> Items => _items ??= [];

    /// <summary>
    /// What is done with the message when its handling returns; it is completed unless set. <see cref="HandlingResult.DeadLetter"/>, <see cref="HandlingResult.RetryAfter"/>
    /// and <see cref="HandlingResult.Fail(string)"/> say otherwise without an exception.
    /// </summary>
    public HandlingResult Result { get; set; }

    internal Type? BodyType { get; set; }

    /// <summary>The run that this is an attempt of, if the message is a job.</summary>
    internal JobContext? Job { get; init; }

    /// <summary>The body's bytes on their way through the pipeline: as stored, then unpacked.</summary>
    internal ReadOnlyMemory<byte> Bytes { get; set; }

    /// <summary>Whether the message was read and found valid, so that what fails from here on is the handler's.</summary>
    internal bool IsAccepted { get; set; }
}
