using System.Runtime.InteropServices;

namespace Millrace.App.Input;

/// <summary>
/// A terminal that shows nothing of what is typed, until it is disposed. The framework's console turns its echo off only while it waits for a key, so that what is typed
/// or pasted before that is shown.
/// </summary>
internal sealed unsafe partial class SilentTerminal : IDisposable
{
    private const int Input = 0;
    private const int AfterOutput = 1;
    private const int Echo = 8;

    // Larger than the structure is anywhere. Its fields are of 4 bytes on Linux and 8 on macOS; the fourth one has the echo.
    private const int SettingsBytes = 256;
    private static readonly int LocalFlags = OperatingSystem.IsMacOS() ? 24 : 12;

    private readonly byte[] _before = new byte[SettingsBytes];
    private readonly bool _isSet;

    public SilentTerminal()
    {
        var silent = new byte[SettingsBytes];
        fixed (byte* before = _before)
        fixed (byte* settings = silent)
        {
            if (GetSettings(Input, before) == 0)
            {
                _before.CopyTo(silent, 0);
                silent[LocalFlags] &= unchecked((byte)~Echo);
                _isSet = SetSettings(Input, AfterOutput, settings) == 0;
            }
        }
    }

    public void Dispose()
    {
        if (_isSet)
        {
            fixed (byte* before = _before)
            {
                _ = SetSettings(Input, AfterOutput, before);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetSettings(int descriptor, byte* settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetSettings(int descriptor, int when, byte* settings);
}
