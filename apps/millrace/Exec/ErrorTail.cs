using System.Text;

namespace Millrace.App.Exec;

/// <summary>Repeats a command's error stream as it comes, and keeps its end, which as a rule says what went wrong.</summary>
internal sealed class ErrorTail
{
    // With the verdict before it less than what a worker keeps of an error, which it cuts at its end: the end is what counts here.
    private const int KeptBytes = 1500;
    private const int ReadBytes = 1024;

    private readonly Lock _gate = new();
    private readonly byte[] _tail = new byte[KeptBytes + ReadBytes];
    private int _kept;

    /// <summary>Begins to read.</summary>
    /// <param name="stream">The command's error stream.</param>
    /// <param name="repeatTo">Safe for concurrent use.</param>
    public ErrorTail(Stream stream, TextWriter repeatTo) => Completion = ReadAsync(stream, repeatTo);

    /// <summary>Ends with the stream.</summary>
    public Task Completion { get; }

    /// <summary>The last 1,500 bytes so far as text, without white space around it.</summary>
    public string Text
    {
        get
        {
            lock (_gate)
            {
                return Encoding.UTF8.GetString(_tail, 0, _kept).Trim();
            }
        }
    }

    private async Task ReadAsync(Stream stream, TextWriter repeatTo)
    {
        var decoder = Encoding.UTF8.GetDecoder();
        var bytes = new byte[ReadBytes];
        var characters = new char[ReadBytes + 1];
        int read;
        while ((read = await stream.ReadAsync(bytes)) > 0)
        {
            Keep(bytes.AsSpan(0, read));
            var count = decoder.GetChars(bytes.AsSpan(0, read), characters, flush: false);
            try
            {
                await repeatTo.WriteAsync(characters.AsMemory(0, count));
            }
            catch (IOException)
            {
                // Nobody reads our error stream any more. The command's must be read on all the same, or it would block in the middle of its work.
            }
        }
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            bytes.CopyTo(_tail.AsSpan(_kept));
            _kept += bytes.Length;
            if (_kept > KeptBytes)
            {
                _tail.AsSpan(_kept - KeptBytes, KeptBytes).CopyTo(_tail);
                _kept = KeptBytes;
            }
        }
    }
}
