using System.Runtime.InteropServices;

namespace Millrace.Bench.Stomp;

/// <summary>Waits for many sockets on one thread (poll), which costs no switches between threads and gathers what is ready.</summary>
internal sealed partial class SocketPoll
{
    private const short In = 1;
    private const short Out = 4;

    private readonly StompConnection[] _connections;
    private readonly Entry[] _entries;

    public SocketPoll(StompConnection[] connections)
    {
        _connections = connections;
        _entries = Array.ConvertAll(connections, connection => new Entry { Descriptor = (int)connection.Socket.SafeHandle.DangerousGetHandle() });
    }

    /// <summary>Returns when a socket can be read, or written to by which something is unsent, or when the time is over.</summary>
    public void Wait(int milliseconds)
    {
        for (var i = 0; i < _entries.Length; i++)
        {
            _entries[i].Wanted = _connections[i].HasUnsent ? (short)(In | Out) : In;
            _entries[i].Ready = 0;
        }

        // Failing means that a signal came in between: nothing is ready then.
        _ = Poll(ref _entries[0], (nuint)_entries.Length, milliseconds);
    }

    /// <summary>Whether there is something to read, be it the end.</summary>
    public bool CanRead(int index) => (_entries[index].Ready & ~Out) != 0;

    public bool CanWrite(int index) => (_entries[index].Ready & Out) != 0;

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref Entry entries, nuint count, int milliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public int Descriptor;
        public short Wanted;
        public short Ready;
    }
}
