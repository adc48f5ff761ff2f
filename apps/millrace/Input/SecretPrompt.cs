using System.Text;

namespace Millrace.App.Input;

/// <summary>Asks for a secret on the terminal, which does not show it.</summary>
internal static class SecretPrompt
{
    /// <summary>Reads a line without echo. The terminal can only be waited for by a thread, which a signal leaves behind.</summary>
    public static Task<string> ReadAsync(string prompt, TextWriter error, CancellationToken cancellationToken) =>
        Task.Run(() => Read(prompt, error), cancellationToken).WaitAsync(cancellationToken);

    private static string Read(string prompt, TextWriter error)
    {
        error.Write(prompt);
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
