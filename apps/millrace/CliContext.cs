using System.Collections;
using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App;

/// <summary>
/// The world as commands see it: streams, environment, backends, time. Tests run commands in their own process with a world of their own.
/// </summary>
internal sealed class CliContext
{
    /// <summary>The variable that names the store when <c>--url</c> does not.</summary>
    public const string UrlVariable = "MILLRACE_URL";

    public static readonly Option<string?> UrlOption = new("--url", "-u")
    {
        Description = $"The store, such as sqlite:./data.db. Otherwise the environment variable {UrlVariable}, otherwise the embedded store: {DefaultStore.Description}.",
        HelpName = "URL",
        Recursive = true,
    };

    public static readonly Option<string?> ServerOption = new("--server")
    {
        Description = "The Millrace server that has the store, such as http://host:7070 or https://user:password@host. Stands in place of --url.",
        HelpName = "URL",
        Recursive = true,
    };

    public static readonly Option<bool> JsonOption = new("--json")
    {
        Description = "Print JSON, one object a line, with stable camelCase names.",
        Recursive = true,
    };

    public required Stream Input { get; init; }

    public required Stream Output { get; init; }

    public required TextWriter Error { get; init; }

    public bool IsInputTerminal { get; init; }

    /// <summary>Whether the output is a terminal on which text can be moved about.</summary>
    public bool IsOutputTerminal { get; init; }

    public bool IsErrorTerminal { get; init; }

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public Func<string, string?> ReadVariable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>Every variable of the environment.</summary>
    public Func<IEnumerable<KeyValuePair<string, string?>>> ListVariables { get; init; } =
        static () => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value));

    /// <summary>Asks for a secret on the terminal.</summary>
    public Func<string, CancellationToken, Task<string>> ReadSecret { get; init; } =
        static (_, _) => throw new UsageException("There is no terminal to ask for a secret on.");

    /// <summary>Opens a backend by its URL, for tests; null: one of those that there are.</summary>
    public Func<string, CancellationToken, ValueTask<Backend>>? OpenBackend { get; init; }

    /// <summary>Opens a backend by its URL. What of its stored data is damaged is told on the error stream.</summary>
    public ValueTask<Backend> OpenAsync(string url, CancellationToken cancellationToken) => OpenBackend is { } open
        ? open(url, cancellationToken)
        : BackendRegistry.CreateDefault().OpenAsync(url, new BackendContext { LoggerFactory = new ErrorLog(Error) }, cancellationToken);

    /// <summary>Opens the store that the command line or the environment names.</summary>
    public async ValueTask<Backend> OpenAsync(ParseResult arguments, CancellationToken cancellationToken)
    {
        var address = StoreAddress.Read(arguments, ReadVariable);
        try
        {
            return await OpenAsync(address.Url, cancellationToken);
        }
        catch (BackendUnavailableException exception) when (address.IsServer)
        {
            throw new BackendUnavailableException(address.DescribeFailure(exception), exception.MayHaveBeenApplied, exception);
        }
    }

    /// <summary>Where a command prints its results.</summary>
    public OutputWriter OpenOutput(ParseResult arguments) => new(Output, arguments.GetValue(JsonOption));
}
