using System.Buffers;

namespace Millrace.Serialization;

/// <summary>
/// Writes and reads bodies of one content type. Implementations are safe for concurrent use, keep no reference to a buffer after they have returned,
/// and take the type to read from their caller, never from the wire. What they throw reaches users inside a <see cref="MessageSerializationException"/>.
/// </summary>
public interface IMessageSerializer
{
    /// <summary>The media type that it writes and reads, without parameters: <c>application/json</c>. Sent with each message.</summary>
    string ContentType { get; }

    /// <summary>Whether it can write and read <paramref name="type"/>; asked once when a queue is opened, so that a type that cannot work fails early.</summary>
    bool Supports(Type type) => true;

    /// <summary>Writes a message.</summary>
    void Serialize<T>(T message, IBufferWriter<byte> output);

    /// <summary>Reads a message. The body may be any bytes: throw when it is no <typeparamref name="T"/>.</summary>
    T Deserialize<T>(ReadOnlyMemory<byte> body);
}
