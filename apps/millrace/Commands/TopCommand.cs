using System.CommandLine;
using Millrace.App.Output;
using Millrace.App.Top;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace top</c>: the queues as they change.</summary>
internal static class TopCommand
{
    private static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromDays(1);

    public static Command Create(CliContext context)
    {
        var sort = new Option<string>("--sort")
        {
            Description = "The column to sort by, the most first: ready, leased, dead, in, out, age; or name.",
            DefaultValueFactory = _ => "ready",
        };
        sort.AcceptOnlyFromAmong("ready", "leased", "dead", "in", "out", "age", "name");
        var prefix = new Option<string?>("--prefix") { Description = "Only queues whose names begin with this.", HelpName = "TEXT" };
        var interval = DurationText.Option("--interval", "From one reading to the next; 1s unless set, at least 100ms.");
        var limit = new Option<int?>("--limit") { Description = "At most so many queues; otherwise as many as there is room for.", HelpName = "N" };
        var once = new Option<bool>("--once") { Description = "Print one table and end; it takes one interval, for the rates." };
        var iterations = new Option<int?>("--iterations") { Description = "Print so many tables, one after each interval, and end.", HelpName = "N" };
        var command = new CliCommand(
            "top",
            "Show the queues live: how many messages are ready, due later, being worked and dead, how many come and go per second, and how long the oldest has waited. "
            + "On a terminal in place, until Ctrl-C or q; elsewhere, and with --once, --iterations or --json, one table or one JSON object a queue after each interval.",
            "millrace top",
            "millrace top --sort in --prefix mail- --interval 5s",
            "millrace top --once --json --server http://host:7070")
        {
            sort, prefix, interval, limit, once, iterations,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            if (arguments.GetValue(once) && arguments.GetValue(iterations) is not null)
            {
                throw new UsageException("--once and --iterations exclude each other.");
            }

            var request = new TopRequest(
                arguments.GetValue(prefix) ?? "",
                Enum.Parse<TopColumn>(arguments.GetRequiredValue(sort), ignoreCase: true),
                arguments.GetValue(interval) ?? DefaultInterval,
                arguments.GetValue(limit),
                arguments.GetValue(once) ? 1 : arguments.GetValue(iterations));
            Require(request);
            return RunAsync(arguments, request, context, cancellationToken);
        });
        return command;
    }

    private static void Require(TopRequest request)
    {
        if (request.Interval < ShortestInterval || request.Interval > LongestInterval)
        {
            throw new UsageException($"--interval must be 100ms to 1d, not {MessageText.Duration(request.Interval)}.");
        }

        if (request.Limit < 1)
        {
            throw new UsageException($"--limit must be at least 1, not {request.Limit}.");
        }

        if (request.Iterations < 1)
        {
            throw new UsageException($"--iterations must be at least 1, not {request.Iterations}.");
        }
    }

    // Being told to stop is how it ends: no failure.
    private static async Task<int> RunAsync(ParseResult arguments, TopRequest request, CliContext context, CancellationToken cancellationToken)
    {
        try
        {
            await using var backend = await context.OpenAsync(arguments, cancellationToken);
            var reader = new TopReader(backend.Require<IQueueAdmin>(), request.Prefix, context.TimeProvider);
            using var output = context.OpenOutput(arguments);
            if (context.IsOutputTerminal && !output.IsJson && request.Iterations is null)
            {
                await new LiveTop(reader, request, backend.Name, context).RunAsync(cancellationToken);
            }
            else
            {
                await PrintAsync(output, reader, request, context, cancellationToken);
            }

            return ExitCodes.Done;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCodes.Done;
        }
    }

    // The first reading is what the rates of the first table are counted from.
    private static async Task PrintAsync(OutputWriter output, TopReader reader, TopRequest request, CliContext context, CancellationToken cancellationToken)
    {
        var needed = request.Sort == TopColumn.Name ? Math.Min(request.Limit ?? int.MaxValue, TopReader.MaxQueues) : TopReader.MaxQueues;
        await reader.ReadAsync(needed, cancellationToken);
        for (var left = request.Iterations ?? long.MaxValue; left > 0; left--)
        {
            await Task.Delay(request.Interval, context.TimeProvider, cancellationToken);
            try
            {
                var reading = await reader.ReadAsync(needed, cancellationToken);
                TopTable.Write(output, reading, request);
                if (!output.IsJson && left > 1)
                {
                    output.WriteLine("");
                }

                output.Flush();
            }
            catch (MillraceException exception) when (exception.IsTransient && left > 1)
            {
                // It may come back before the next one; the last one is the command's outcome.
                await context.Error.WriteLineAsync($"millrace: {exception.Message.ReplaceLineEndings(" ")}");
            }
        }
    }
}
