using System.CommandLine;
using Millrace.App.Output;
using Millrace.App.Serving;
using Millrace.Server.Configuration;
using Millrace.Server.Instances;

namespace Millrace.App.Commands;

/// <summary><c>millrace config check</c>: what a server would be with the same options, and everything that is wrong with it.</summary>
internal static class ConfigCheckCommand
{
    public static Command Create(CliContext context)
    {
        var options = new ServeOptions();
        var open = new Option<bool>("--open") { Description = "Open the stores and probe their health, too. Creates what is missing, as the server would." };
        var command = new CliCommand(
            "check",
            "Print the configuration that 'millrace serve' would run with, and where each value comes from; secrets are masked. "
            + "Nothing is opened. Faults are all said, not only the first one.",
            "millrace config check",
            "millrace config check --config /etc/millrace/millrace.json --open")
        {
            open,
        };
        options.AddTo(command);
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, options, arguments.GetValue(open), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, ServeOptions options, bool open, CliContext context, CancellationToken cancellationToken)
    {
        var configuration = options.Read(arguments, context);
        using var output = context.OpenOutput(arguments);
        Write(output, configuration);
        output.Flush();
        await ServeCommand.RemarkAsync(configuration, context);
        if (configuration.Faults.Count > 0)
        {
            return await ServeCommand.RefuseAsync(configuration, context);
        }

        return open ? await ProbeAsync(output, configuration, context, cancellationToken) : ExitCodes.Done;
    }

    private static void Write(OutputWriter output, ServerConfiguration configuration)
    {
        var columns = new Columns("KEY", "VALUE", "SOURCE");
        foreach (var (key, value, source) in configuration.Effective)
        {
            if (!output.IsJson)
            {
                columns.Add(key, value.Length == 0 ? "-" : value, source);
                continue;
            }

            output.WriteObject(json =>
            {
                json.WriteString("key", key);
                json.WriteString("value", value);
                json.WriteString("source", source);
            });
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }
    }

    private static async Task<int> ProbeAsync(OutputWriter output, ServerConfiguration configuration, CliContext context, CancellationToken cancellationToken)
    {
        if (configuration.UsesDefaultStore)
        {
            DefaultStore.Prepare();
        }

        await using var instances = await ServedInstances.OpenAsync(configuration.Instances, context.TimeProvider, new ErrorLog(context.Error), cancellationToken);
        var code = ExitCodes.Done;
        foreach (var instance in instances.All)
        {
            var report = await instance.Client.Health.ProbeAsync(cancellationToken);
            if (output.IsJson)
            {
                output.WriteObject(json =>
                {
                    json.WriteString("instance", instance.Name);
                    json.WriteBoolean("isHealthy", report.IsHealthy);
                    json.WriteString("error", report.Error);
                });
            }
            else
            {
                output.WriteLine($"{instance.Name}: {(report.IsHealthy ? "open and healthy" : report.Error)}");
            }

            code = report.IsHealthy ? code : ExitCodes.Failed;
        }

        return code;
    }
}
