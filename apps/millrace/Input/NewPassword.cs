using System.CommandLine;
using System.Text;
using Millrace.Server.Security.Users;

namespace Millrace.App.Input;

/// <summary>Where a new password comes from: a terminal, twice, or the first line of the input. Never the command line, which other users of the machine can see.</summary>
internal static class NewPassword
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static Option<bool> InputOption() => new("--password-stdin") { Description = "Take the password from the first line of the input, instead of asking for it." };

    /// <summary>The hash of a new password.</summary>
    public static async Task<PasswordHash> ReadAsync(CliContext context, bool fromInput, CancellationToken cancellationToken)
    {
        var password = fromInput ? await ReadLineAsync(context, cancellationToken) : await AskAsync(context, cancellationToken);
        return UserNames.FaultOfPassword(password) is { } fault ? throw new UsageException(fault) : PasswordHash.Create(password);
    }

    private static async Task<string> AskAsync(CliContext context, CancellationToken cancellationToken)
    {
        if (!context.IsInputTerminal)
        {
            throw new UsageException("There is no terminal to ask for the password on: give it on the input, with --password-stdin.");
        }

        var password = await context.ReadSecret("Password: ", cancellationToken);
        if (UserNames.FaultOfPassword(password) is null && await context.ReadSecret("Once more: ", cancellationToken) != password)
        {
            throw new UsageException("The two passwords differ: nothing was changed.");
        }

        return password;
    }

    private static async Task<string> ReadLineAsync(CliContext context, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(context.Input, StrictUtf8, detectEncodingFromByteOrderMarks: false, leaveOpen: true);
        try
        {
            return await reader.ReadLineAsync(cancellationToken) ?? throw new UsageException("--password-stdin: the input is empty.");
        }
        catch (DecoderFallbackException)
        {
            throw new UsageException("--password-stdin: the input is not UTF-8.");
        }
    }
}
