using System.Buffers;

namespace Millrace.Serialization;

/// <summary>Bodies as they are: <c>byte[]</c> and <c>ReadOnlyMemory&lt;byte&gt;</c>. Reads bodies of every content type.</summary>
/// <remarks>A received <c>ReadOnlyMemory&lt;byte&gt;</c> is the store's own memory when it was not compressed: valid until the message is settled. A <c>byte[]</c> is a copy.</remarks>
internal sealed class BytesMessageSerializer : IMessageSerializer
{
    public string ContentType => "application/octet-stream";

    public bool Supports(Type type) => type == typeof(byte[]) || type == typeof(ReadOnlyMemory<byte>);

    public void Serialize<T>(T message, IBufferWriter<byte> output)
    {
        switch (message)
        {
            case byte[] bytes:
                output.Write(bytes);
                break;
            case ReadOnlyMemory<byte> memory:
                output.Write(memory.Span);
                break;
            default:
                throw new NotSupportedException($"Only byte[] and ReadOnlyMemory<byte> can be sent as raw bytes, not {typeof(T).Name}.");
        }
    }

    public T Deserialize<T>(ReadOnlyMemory<byte> body) =>
        typeof(T) == typeof(byte[]) ? (T)(object)body.ToArray() : (T)(object)body;
}
