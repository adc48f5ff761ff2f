using System.Runtime.InteropServices;
using System.Text;
using System.Threading.Channels;

namespace Millrace.App.Top;

/// <summary>What happens on a screen.</summary>
internal enum ScreenEvent
{
    /// <summary>It must be drawn again: it has another size, or was away.</summary>
    Changed,

    /// <summary>The user has pressed <c>q</c>.</summary>
    Quit,
}

/// <summary>
/// The whole window of the terminal, on its second screen: what stood there before comes back on disposal, with the cursor. Also while the process is suspended (Ctrl-Z).
/// Safe for concurrent use.
/// </summary>
internal sealed partial class ScreenTerminal : IDisposable
{
    private const string Enter = "\e[?1049h\e[?25l\e[?7l\e[2J";

    // The runtime puts the keypad of a terminal whose keys it reads into another mode, and leaves it there.
    private const string Leave = "\e[0m\e[?7h\e[?25h\e[?1049l\e[?1l\e>";

    private static readonly int StopSignal = OperatingSystem.IsLinux() ? 19 : 17;
    private static readonly ScreenSize FallbackSize = new(80, 24);

    private readonly Stream _output;
    private readonly Lock _gate = new();
    private readonly Channel<ScreenEvent> _events = Channel.CreateUnbounded<ScreenEvent>();
    private readonly List<PosixSignalRegistration> _signals = [];
    private bool _isShown;
    private bool _isClosed;

    private ScreenTerminal(Stream output) => _output = output;

    /// <summary>What happens, as it happens.</summary>
    public ChannelReader<ScreenEvent> Events => _events.Reader;

    /// <summary>The size now.</summary>
    public static ScreenSize Size
    {
        get
        {
            try
            {
                return Console.WindowWidth > 0 && Console.WindowHeight > 0 ? new ScreenSize(Console.WindowWidth, Console.WindowHeight) : FallbackSize;
            }
            catch (IOException)
            {
                // A terminal that does not tell.
                return FallbackSize;
            }
        }
    }

    /// <summary>Takes over the window.</summary>
    /// <param name="output">The terminal.</param>
    /// <param name="readKeys">Whether the standard input is the terminal too.</param>
    public static ScreenTerminal Open(Stream output, bool readKeys)
    {
        var terminal = new ScreenTerminal(output);
        terminal.Show();
        if (!OperatingSystem.IsWindows())
        {
            terminal._signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => terminal.Report(ScreenEvent.Changed)));
            terminal._signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTSTP, terminal.Suspend));
            terminal._signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ => terminal.Show()));
        }

        if (readKeys)
        {
            // A read of keys cannot be interrupted: the thread ends with the process.
            new Thread(terminal.ReadKeys) { IsBackground = true, Name = "keys" }.Start();
        }

        return terminal;
    }

    /// <summary>Draws lines in place of what is there.</summary>
    public void Draw(IReadOnlyList<string> lines)
    {
        var frame = new StringBuilder("\e[H");
        for (var i = 0; i < lines.Count; i++)
        {
            frame.Append(i == 0 ? "" : "\r\n").Append(lines[i]).Append("\e[K");
        }

        lock (_gate)
        {
            if (_isShown)
            {
                Write(frame.Append("\e[J").ToString());
            }
        }
    }

    public void Dispose()
    {
        _signals.ForEach(signal => signal.Dispose());
        lock (_gate)
        {
            _isClosed = true;
        }

        try
        {
            Hide();
        }
        catch (IOException)
        {
            // The terminal has gone, and with it what was to be tidied.
        }
    }

    private void Show()
    {
        lock (_gate)
        {
            if (_isShown || _isClosed)
            {
                return;
            }

            _isShown = true;
            Write(Enter);
        }

        Report(ScreenEvent.Changed);
    }

    private void Hide()
    {
        lock (_gate)
        {
            if (_isShown)
            {
                _isShown = false;
                Write(Leave);
            }
        }
    }

    // The runtime does not stop a process that listens to this signal; the one for which nobody can listen does.
    private void Suspend(PosixSignalContext context)
    {
        context.Cancel = true;
        Hide();
        _ = SendSignal(Environment.ProcessId, StopSignal);
    }

    private void ReadKeys()
    {
        try
        {
            while (Console.ReadKey(intercept: true).Key != ConsoleKey.Q)
            {
            }

            Report(ScreenEvent.Quit);
        }
        catch (InvalidOperationException)
        {
            // The input has gone; Ctrl-C still ends the command.
        }
    }

    private void Report(ScreenEvent happened) => _events.Writer.TryWrite(happened);

    private void Write(string text)
    {
        _output.Write(Encoding.UTF8.GetBytes(text));
        _output.Flush();
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}
