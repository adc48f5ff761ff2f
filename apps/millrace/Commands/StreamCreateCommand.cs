using System.CommandLine;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream create</c>.</summary>
internal static class StreamCreateCommand
{
    public static Command Create(CliContext context)
    {
        var stream = StreamAccess.Stream("The name: 1 to 200 bytes, without '!' and control characters.");
        var partitions = new Option<int>("--partitions") { Description = "How many partitions it has; 1 unless set. Cannot be changed later.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var age = DurationText.Option("--max-age", "Older records are removed; for ever unless set.");
        var bytes = new Option<long?>("--max-bytes") { Description = "The most bytes of each partition.", HelpName = "N" };
        var records = new Option<long?>("--max-records") { Description = "The most records of each partition.", HelpName = "N" };
        var command = new CliCommand(
            "create",
            "Create a stream. One that exists already is left as it is; with another number of partitions, that is an error.",
            "millrace stream create orders --partitions 4",
            "millrace stream create audit --max-age 30d --max-bytes 1000000000")
        {
            stream, partitions, age, bytes, records,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var settings = new StreamSettings
            {
                Partitions = arguments.GetValue(partitions),
                Retention = new StreamRetention { MaxAge = arguments.GetValue(age), MaxBytes = arguments.GetValue(bytes), MaxRecords = arguments.GetValue(records) },
            };
            return RunAsync(arguments, arguments.GetRequiredValue(stream), settings, context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string stream, StreamSettings settings, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(stream, "stream");
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        var created = await catalog.Streams.CreateAsync(stream, settings, cancellationToken);
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("stream", stream);
                json.WriteBoolean("created", created);
            });
        }
        else
        {
            output.WriteLine(created ? $"Created stream '{stream}'." : $"Stream '{stream}' exists; it is as it was.");
        }

        return ExitCodes.Done;
    }
}
