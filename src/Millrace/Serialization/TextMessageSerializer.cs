using System.Buffers;
using System.Text;

namespace Millrace.Serialization;

/// <summary>Bodies that are text in UTF-8: <c>string</c>. Reads bodies of every content type that are valid UTF-8.</summary>
internal sealed class TextMessageSerializer : IMessageSerializer
{
    // Throws instead of putting replacement characters into somebody's data.
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public string ContentType => "text/plain";

    public bool Supports(Type type) => type == typeof(string);

    public void Serialize<T>(T message, IBufferWriter<byte> output)
    {
        if (message is not string text)
        {
            throw new NotSupportedException($"Only string can be sent as text, not {typeof(T).Name}.");
        }

        Strict.GetBytes(text, output);
    }

    public T Deserialize<T>(ReadOnlyMemory<byte> body) => (T)(object)Strict.GetString(body.Span);
}
