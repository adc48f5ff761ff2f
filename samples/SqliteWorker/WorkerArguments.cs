using System.Globalization;

namespace SqliteWorker;

/// <summary>What the command line asks for.</summary>
internal sealed record WorkerArguments
{
    public const string Usage = "usage: SqliteWorker [--url URL] [--queue NAME] [--concurrency N] [--fail-percent 0..50] [--exit-when-idle]";

    public string Url { get; private init; } = "sqlite:./data.db";

    public string Queue { get; private init; } = "lines";

    public int Concurrency { get; private init; } = 8;

    public int FailPercent { get; private init; }

    public bool ExitWhenIdle { get; private init; }

    public static bool TryParse(string[] args, out WorkerArguments arguments, out string? problem)
    {
        (arguments, problem) = (new WorkerArguments(), null);
        for (var i = 0; i < args.Length && problem is null; i++)
        {
            if (args[i] == "--exit-when-idle")
            {
                arguments = arguments with { ExitWhenIdle = true };
                continue;
            }

            var value = i + 1 < args.Length ? args[i + 1] : null;
            var number = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : -1;
            (arguments, problem) = (args[i], value) switch
            {
                (_, null) => (arguments, $"'{args[i]}' is unknown, or lacks its value."),
                ("--url", _) => (arguments with { Url = value }, problem),
                ("--queue", _) => (arguments with { Queue = value }, problem),
                ("--concurrency", _) when number >= 1 => (arguments with { Concurrency = number }, problem),
                ("--fail-percent", _) when number is >= 0 and <= 50 => (arguments with { FailPercent = number }, problem),
                _ => (arguments, $"'{args[i]} {value}' is no option, or its value is out of range."),
            };
            i++;
        }

        return problem is null;
    }
}
