using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Millrace.App.Input;

/// <summary>Asks for a secret on the terminal, which does not show it.</summary>
internal static class SecretPrompt
{
    /// <summary>Reads a line without echo. The terminal can only be waited for by a thread, which a signal leaves behind.</summary>
    public static async Task<string> ReadAsync(string prompt, TextWriter error, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            await error.WriteAsync(prompt);
            return await Task.Run(() => ReadKeys(error), cancellationToken).WaitAsync(cancellationToken);
        }

        // Silent before anybody is asked. The console's own stream would echo what it reads, so the descriptor is read.
        using var silent = new SilentTerminal();
        await error.WriteAsync(prompt);
        var input = new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0);
        using var reader = new StreamReader(input, Encoding.UTF8, detectEncodingFromByteOrderMarks: false);
        var line = await Task.Run(reader.ReadLine, cancellationToken).WaitAsync(cancellationToken);
        await error.WriteLineAsync();
        return line ?? "";
    }

    private static string ReadKeys(TextWriter error)
    {
        var text = new StringBuilder();
        while (true)
        {
            var key = Console.ReadKey(intercept: true);
            switch (key.Key)
            {
                case ConsoleKey.Enter:
                    error.WriteLine();
                    return text.ToString();
                case ConsoleKey.Backspace:
                    text.Length = Math.Max(0, text.Length - 1);
                    break;
                default:
                    if (!char.IsControl(key.KeyChar))
                    {
                        text.Append(key.KeyChar);
                    }

                    break;
            }
        }
    }
}
