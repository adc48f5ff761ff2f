using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Millrace.Server.Configuration;

namespace Millrace.App.Serving;

/// <summary>The log of a server: one line an event on the error stream, as text or JSON.</summary>
internal static class ServerLog
{
    private const string Framework = "Microsoft";
    private const string TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";

    public static ILoggerFactory Create(ServerSettings settings) => LoggerFactory.Create(logging =>
    {
        logging.SetMinimumLevel(settings.LogLevel);

        // What the framework says of every connection and request is for those who look for something.
        logging.AddFilter(Framework, settings.LogLevel <= LogLevel.Debug ? settings.LogLevel : (LogLevel)Math.Max((int)LogLevel.Warning, (int)settings.LogLevel));
        if (settings.IsJsonLog)
        {
            logging.AddJsonConsole(json =>
            {
                json.IncludeScopes = true;
                json.UseUtcTimestamp = true;
                json.TimestampFormat = TimestampFormat.TrimEnd();
            });
        }
        else
        {
            logging.AddSimpleConsole(text =>
            {
                text.SingleLine = true;
                text.IncludeScopes = true;
                text.UseUtcTimestamp = true;
                text.TimestampFormat = TimestampFormat;
            });
        }

        // The output belongs to the answers of the command.
        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    });
}
