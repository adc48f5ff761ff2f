using Millrace.App.Input;

namespace Millrace.App;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        using var stop = new StopSignals();
        using var streams = new StandardStreams();
        var context = new CliContext
        {
            Input = streams.Input,
            Output = streams.Output,
            Error = streams.Error,
            IsInputTerminal = !Console.IsInputRedirected,
            IsOutputTerminal = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is not "dumb",
            IsErrorTerminal = !Console.IsErrorRedirected,
            ReadSecret = (prompt, cancellationToken) => SecretPrompt.ReadAsync(prompt, streams.Error, cancellationToken),
        };
        try
        {
            return await CommandLine.RunAsync(args, context, stop.Token);
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            return stop.ExitCode;
        }
    }
}
