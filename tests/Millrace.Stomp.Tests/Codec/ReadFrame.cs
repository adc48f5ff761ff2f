using System.Text;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>A frame that outlives what it was read from.</summary>
/// <param name="Command">The command.</param>
/// <param name="Headers">All header lines in order, unescaped, repeated ones included.</param>
/// <param name="Body">The body.</param>
internal sealed record ReadFrame(StompCommand Command, IReadOnlyList<(string Name, string Value)> Headers, byte[] Body)
{
    /// <summary>The value of the first header of that name; null when there is none.</summary>
    public string? this[string name]
    {
        get
        {
            foreach (var header in Headers)
            {
                if (header.Name == name)
                {
                    return header.Value;
                }
            }

            return null;
        }
    }

    /// <summary>The body as text.</summary>
    public string BodyText => Encoding.UTF8.GetString(Body);

    /// <inheritdoc/>
    public bool Equals(ReadFrame? other) =>
        other is not null && Command == other.Command && Headers.SequenceEqual(other.Headers) && Body.AsSpan().SequenceEqual(other.Body);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Command, Headers.Count, Body.Length);

    /// <inheritdoc/>
    public override string ToString() => $"{Command} [{string.Join(", ", Headers.Select(header => $"{header.Name}={header.Value}"))}] {Convert.ToHexString(Body)}";
}
