using System.Diagnostics;
using Xunit;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>A real file system of some megabytes, in memory, that a test fills up or makes read-only. Only root can make one on Linux: others skip the test, and say so.</summary>
internal sealed class SmallDisk : IDisposable
{
    private const string Filler = "filler.dd";

    private readonly TemporaryFolder _folder = new();
    private readonly string _path;

    private SmallDisk() => _path = Directory.CreateDirectory(Path.Combine(_folder.Path, "disk")).FullName;

    public string Data => Path.Combine(_path, "data");

    public string Url(string options = "") => $"file:{Uri.EscapeDataString(Data)}{(options.Length == 0 ? "" : "?" + options)}";

    public static SmallDisk Mount(int megabytes)
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
        {
            Assert.Skip("Only root can mount a small file system, and only on Linux.");
        }

        var disk = new SmallDisk();
        if (Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", disk._path) != 0)
        {
            disk._folder.Dispose();
            Assert.Skip("This machine does not let root mount a file system.");
        }

        return disk;
    }

    /// <summary>Takes all the space that is left.</summary>
    public void Fill()
    {
        using var file = new FileStream(Path.Combine(_path, Filler), FileMode.Append, FileAccess.Write, FileShare.None, 0);
        var block = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(block);
            }
        }
        catch (IOException)
        {
            // Full.
            return;
        }
    }

    public void Free() => File.Delete(Path.Combine(_path, Filler));

    public void MakeReadOnly() => Assert.Equal(0, Run("mount", "-o", "remount,ro", _path));

    public void Dispose()
    {
        Run("umount", "-l", _path);
        _folder.Dispose();
    }

    private static int Run(string command, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}
