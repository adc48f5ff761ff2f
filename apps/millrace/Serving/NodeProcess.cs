using System.CommandLine;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Millrace.App.Schedules;
using Millrace.Configuration;
using Millrace.Diagnostics;
using Millrace.Scheduling;
using Millrace.Server;
using Millrace.Server.Configuration;
using Millrace.Server.Instances;

namespace Millrace.App.Serving;

/// <summary>A node as a process: opens the stores, serves them, and closes everything in order when it is told to stop.</summary>
internal sealed class NodeProcess(CliContext context, ServerConfiguration configuration)
{
    private readonly ServiceNotifier _notifier = new(context.ReadVariable(ServiceNotifier.SocketVariable));

    /// <summary>Runs until <paramref name="stop"/> ends.</summary>
    public async Task RunAsync(ParseResult arguments, CancellationToken stop)
    {
        using var loggers = ServerLog.Create(configuration.Settings);
        if (configuration.UsesDefaultStore)
        {
            DefaultStore.Prepare();
        }

        await using var instances = await ServedInstances.OpenAsync(configuration.Instances, context.TimeProvider, loggers, stop);
        await DefineAsync(instances, loggers, stop);
        await using var server = await StartAsync(instances, loggers, stop);
        using var announced = Announce(server);
        using (var output = context.OpenOutput(arguments))
        {
            StartReport.Write(output, server, instances, configuration, SinceProcessStart());
        }

        await ReportAsync(_notifier.Ready($"Listening on {string.Join(", ", server.Addresses)}"));
        await WaitAsync(stop);
        await ReportAsync(_notifier.Stopping());
        await server.StopAsync(CancellationToken.None);
    }

    private async Task DefineAsync(ServedInstances instances, ILoggerFactory loggers, CancellationToken stop)
    {
        if (configuration.Settings.SchedulesFile is not { } file)
        {
            return;
        }

        var instance = instances.All.FirstOrDefault(instance => instance.Name == InstanceUrls.DefaultInstance)
            ?? (instances.All.Count == 1
                ? instances.All[0]
                : throw new MillraceConfigurationException($"The schedules of {file} are those of the instance 'default', which is not configured."));
        var logger = loggers.CreateLogger("Millrace.Scheduling");
        var applied = await ScheduleFileSource.ApplyAsync(instance.Client.Schedules, file, name: null, keepsOthers: false, stop);
        foreach (var result in applied.Results)
        {
            if (result.Error is { } error)
            {
                logger.ScheduleOfFileRefused(result.Name, applied.Source, error.Message);
            }
            else if (result.Change != ScheduleChange.Unchanged)
            {
                logger.ScheduleChanged(result.Name, result.Change == ScheduleChange.Created ? "created" : "updated", applied.Source);
            }
        }

        if (applied.Orphans.Count > 0)
        {
            logger.SchedulesOrphaned(applied.Source, string.Join(", ", applied.Orphans));
        }
    }

    /// <summary>Has commands that name no store find this node, if it has the default one open, which nobody else can open then.</summary>
    private IDisposable? Announce(MillraceServer server)
    {
        var address = server.Addresses.FirstOrDefault(address => address.StartsWith("http", StringComparison.Ordinal));
        return configuration.UsesDefaultStore && !DefaultStore.KeepsSqlite && address is not null ? DefaultStore.AnnounceNode(address) : null;
    }

    private async Task<MillraceServer> StartAsync(ServedInstances instances, ILoggerFactory loggers, CancellationToken stop)
    {
        var options = configuration.Settings.Options;
        options.LoggerFactory = loggers;
        options.TimeProvider = context.TimeProvider;
        foreach (var instance in instances.All)
        {
            options.Instances.Add(instance.Name, instance.Client);
        }

        return await MillraceServer.StartAsync(options, stop);
    }

    private async Task ReportAsync(string? fault)
    {
        if (fault is not null)
        {
            await context.Error.WriteLineAsync($"millrace: {fault}");
        }
    }

    private static async Task WaitAsync(CancellationToken stop)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = stop.Register(stopped.SetResult);
        await stopped.Task;
    }

    private TimeSpan SinceProcessStart()
    {
        using var process = Process.GetCurrentProcess();
        return context.TimeProvider.GetUtcNow() - process.StartTime;
    }
}
