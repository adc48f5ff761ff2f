using System.CommandLine;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace queue create</c>.</summary>
internal static class QueueCreateCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The name: 1 to 200 bytes, without '!' and control characters.");
        var settings = new QueueSettingsOptions();
        var command = new CliCommand(
            "create",
            "Create a queue. One that exists already is left as it is.",
            "millrace queue create orders",
            "millrace queue create orders --max-deliveries 5 --max-length 100000 --overflow refuse")
        {
            queue,
        };
        settings.AddTo(command);
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(queue), settings.Apply(arguments, QueueSettings.Default), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, QueueSettings settings, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(queue, "queue");
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var created = await backend.Require<IQueueAdmin>().CreateQueueAsync(queue, settings, cancellationToken);
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("queue", queue);
                json.WriteBoolean("created", created);
            });
        }
        else
        {
            output.WriteLine(created ? $"Created queue '{queue}'." : $"Queue '{queue}' exists; its settings are as they were.");
        }

        return ExitCodes.Done;
    }
}
