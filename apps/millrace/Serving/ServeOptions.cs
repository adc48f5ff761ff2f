using System.CommandLine;
using Millrace.Server.Configuration;
using Millrace.Storage;

namespace Millrace.App.Serving;

/// <summary>What <c>millrace serve</c> and <c>millrace config check</c> are told, and how it becomes one configuration.</summary>
internal sealed class ServeOptions
{
    /// <summary>The variable that names the configuration file when <c>--config</c> does not.</summary>
    public const string ConfigVariable = "MILLRACE_CONFIG";

    /// <summary>The configuration file that is read when none is named, if it is there.</summary>
    public const string DefaultFile = "millrace.json";

    private readonly Option<string[]> _listen = new("--listen", "-l")
    {
        Description = "Where to listen, such as http://127.0.0.1:7070, which is the default. May be given several times. Port 0 takes a free one.",
        HelpName = "URL",
    };

    private readonly Option<string[]> _stomp = new("--stomp")
    {
        Description = $"Where to serve STOMP, such as {new ServerSettings().Stomp.Urls[0]}, which is the default. May be given several times. Port 0 takes a free one.",
        HelpName = "URL",
    };

    private readonly Option<bool> _noStomp = new("--no-stomp") { Description = "Do not serve STOMP." };

    private readonly Option<bool> _noScheduler = new("--no-scheduler") { Description = "Do not fire schedules: other nodes of the same store do." };
    private readonly Option<string?> _schedules = new("--schedules")
    {
        Description = $"Define the schedules of this file when the node starts: {Schedules.ScheduleFileText.Forms}. Those that it defined before and does not any more are fired no more.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _config = new("--config")
    {
        Description = $"The configuration file. Otherwise the environment variable {ConfigVariable}, otherwise ./{DefaultFile} if it is there.",
        HelpName = "FILE",
    };

    private readonly Option<string[]> _set = new("--set")
    {
        Description = "Any other key of the configuration, as the environment spells it. May be given several times.",
        HelpName = "KEY=VALUE",
    };

    private readonly Option<string?> _logFormat = new("--log-format") { Description = "text or json; text unless set.", HelpName = "FORMAT" };
    private readonly Option<string?> _logLevel = new("--log-level") { Description = "trace, debug, information, warning, error, critical or none; information unless set.", HelpName = "LEVEL" };

    public ServeOptions() => _set.Validators.Add(result =>
    {
        foreach (var token in result.Tokens.Where(token => token.Value.IndexOf('=', StringComparison.Ordinal) < 1))
        {
            result.AddError($"--set needs KEY=VALUE, such as SERVER__DRAIN_MS=5000, not '{token.Value}'.");
        }
    });

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_listen, _stomp, _noStomp, _noScheduler, _schedules, _config, _logFormat, _logLevel, DefaultUsersFile.Option, _set])
        {
            command.Add(option);
        }
    }

    /// <summary>Reads every source: the command line over the environment over the file over the defaults.</summary>
    public ServerConfiguration Read(ParseResult arguments, CliContext context)
    {
        var layers = new List<ConfigurationLayer> { ReadDefaults() };
        var file = arguments.GetValue(_config) ?? NullIfEmpty(context.ReadVariable(ConfigVariable)) ?? (File.Exists(DefaultFile) ? DefaultFile : null);
        if (file is not null)
        {
            layers.Add(ConfigurationLayer.OfFile(file));
        }

        layers.Add(ReadEnvironment(context));
        layers.Add(ReadCommandLine(arguments));
        return ServerConfiguration.Read(layers, DefaultStore.UrlForNode, BackendRegistry.CreateDefault());
    }

    private static ConfigurationLayer ReadDefaults()
    {
        var layer = new ConfigurationLayer("the default");
        layer.Add("SERVER:USERS_FILE", DefaultUsersFile.FindDefault(), "the users file in your configuration folder");
        return layer;
    }

    // The other commands' variable names the same store here, unless one for servers does.
    private static ConfigurationLayer ReadEnvironment(CliContext context)
    {
        var layer = ConfigurationLayer.OfEnvironment(context.ListVariables());
        if (!layer.Values.Keys.Any(key => key is { Prefix: "QUEUE", Instance: "DEFAULT", Field: "URL" or "BACKEND" }))
        {
            layer.Add("QUEUE:URL", context.ReadVariable(CliContext.UrlVariable), $"{CliContext.UrlVariable} from the environment");
        }

        // As 'millrace user' looks for the file: so that users who were made guard the next server.
        if (!layer.Values.Keys.Any(key => key is { Prefix: ConfigurationKey.Server, Field: "USERSFILE" }))
        {
            layer.Add("SERVER:USERS_FILE", context.ReadVariable(DefaultUsersFile.Variable), $"{DefaultUsersFile.Variable} from the environment");
        }

        return layer;
    }

    private ConfigurationLayer ReadCommandLine(ParseResult arguments)
    {
        var stomp = arguments.GetValue(_stomp) ?? [];
        var isWithout = arguments.GetValue(_noStomp);
        if (isWithout && stomp.Length > 0)
        {
            throw new UsageException("--stomp and --no-stomp contradict each other: give one of them.");
        }

        var layer = new ConfigurationLayer("the command line");
        layer.Add("QUEUE:URL", arguments.GetValue(CliContext.UrlOption), "--url on the command line");
        layer.Add("SERVER:URLS", string.Join(';', arguments.GetValue(_listen) ?? []), "--listen on the command line");
        layer.Add("STOMP:URLS", string.Join(';', stomp), "--stomp on the command line");
        layer.Add("STOMP:ENABLED", isWithout ? "false" : stomp.Length > 0 ? "true" : null, $"{(isWithout ? "--no-stomp" : "--stomp")} on the command line");
        layer.Add("SERVER:SCHEDULER", arguments.GetValue(_noScheduler) ? "false" : null, "--no-scheduler on the command line");
        layer.Add("SERVER:SCHEDULES_FILE", arguments.GetValue(_schedules), "--schedules on the command line");
        layer.Add("SERVER:LOG_FORMAT", arguments.GetValue(_logFormat), "--log-format on the command line");
        layer.Add("SERVER:LOG_LEVEL", arguments.GetValue(_logLevel), "--log-level on the command line");
        layer.Add("SERVER:USERS_FILE", arguments.GetValue(DefaultUsersFile.Option), "--users on the command line");
        foreach (var pair in arguments.GetValue(_set) ?? [])
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            layer.Add(pair[..equals].Replace("__", ":", StringComparison.Ordinal), pair[(equals + 1)..], $"{pair[..equals]} on the command line");
        }

        return layer;
    }

    private static string? NullIfEmpty(string? value) => string.IsNullOrWhiteSpace(value) ? null : value;
}
