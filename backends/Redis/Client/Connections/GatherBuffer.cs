namespace Millrace.Redis.Client.Connections;

/// <summary>Commands that are sent together. A buffer that a large command has made large is given up when that is gone.</summary>
internal sealed class GatherBuffer
{
    private const int KeptBytes = 1024 * 1024;
    private const int FirstBytes = 16 * 1024;

    private byte[] _bytes = new byte[FirstBytes];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _bytes.Length - Length)
        {
            var size = (int)Math.Min(Math.Max((long)Length + bytes.Length, 2L * _bytes.Length), Array.MaxLength);
            Array.Resize(ref _bytes, size);
        }

        bytes.CopyTo(_bytes.AsSpan(Length));
        Length += bytes.Length;
    }

    public void Clear()
    {
        Length = 0;
        if (_bytes.Length > KeptBytes)
        {
            _bytes = new byte[FirstBytes];
        }
    }
}
