using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Millrace.App;

/// <summary>
/// The process's own streams. Output goes to the descriptor directly: the framework's console stream swallows the error of a closed pipe,
/// and a message that nobody could read would then be completed.
/// </summary>
internal sealed class StandardStreams : IDisposable
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    public StandardStreams()
    {
        Input = OpenInput();
        Output = OperatingSystem.IsWindows() ? Console.OpenStandardOutput() : new DescriptorStream(1);
        Error = TextWriter.Synchronized(new StreamWriter(OperatingSystem.IsWindows() ? Console.OpenStandardError() : new DescriptorStream(2), Utf8) { AutoFlush = true });
    }

    public Stream Input { get; }

    public Stream Output { get; }

    public TextWriter Error { get; }

    public void Dispose()
    {
        Input.Dispose();
        Output.Dispose();
        Error.Dispose();
    }

    // A file can tell its length and never keeps a reader waiting; the console's stream hides both.
    private static Stream OpenInput()
    {
        if (OperatingSystem.IsWindows() || !Console.IsInputRedirected)
        {
            return Console.OpenStandardInput();
        }

        var file = new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0);
        return file.CanSeek ? file : Console.OpenStandardInput();
    }
}

/// <summary>Writes to a Unix file descriptor. A pipe that nobody reads is a <see cref="ClosedOutputException"/>.</summary>
internal sealed partial class DescriptorStream(int descriptor) : Stream
{
    private const int BrokenPipe = 32;
    private const int Interrupted = 4;
    private const short PollOut = 4;

    private static readonly int WouldBlock = OperatingSystem.IsLinux() ? 11 : 35;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var written = WriteDescriptor(descriptor, buffer, (nuint)buffer.Length);
            if (written >= 0)
            {
                buffer = buffer[(int)written..];
                continue;
            }

            var error = Marshal.GetLastPInvokeError();
            if (error == BrokenPipe)
            {
                throw new ClosedOutputException();
            }

            if (error == WouldBlock)
            {
                // The other end has made the shared descriptor non-blocking, as Node.js does with its pipes.
                var poll = new PollDescriptor { Descriptor = descriptor, Events = PollOut };
                _ = Poll(ref poll, 1, Timeout.Infinite);
            }
            else if (error != Interrupted)
            {
                throw new IOException($"The output cannot be written: {Marshal.GetPInvokeErrorMessage(error)}.");
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollDescriptor descriptors, nuint count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteDescriptor(int descriptor, ReadOnlySpan<byte> buffer, nuint count);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}

/// <summary>Whoever read the output has gone, as <c>head</c> does when it has seen enough.</summary>
internal sealed class ClosedOutputException() : IOException("The output was closed by its reader.");
