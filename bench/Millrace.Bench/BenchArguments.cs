using System.Globalization;
using Millrace.Bench.Stomp;

namespace Millrace.Bench;

/// <summary>How the results are written.</summary>
internal enum BenchFormat
{
    /// <summary>For people at a terminal.</summary>
    Table,

    /// <summary>One object a line, for scripts.</summary>
    Json,

    /// <summary>A page for bench/results.</summary>
    Markdown,
}

/// <summary>A command line that cannot be run; the message says why, and what can.</summary>
internal sealed class BenchUsageException(string message) : Exception(message);

/// <summary>What was asked for: <c>AREA [--case NAME]… [--runs N] [--dir PATH] [--target URL] [--json | --markdown]</c>.</summary>
internal sealed record BenchArguments(BenchArea Area, IReadOnlyList<BenchCase> Cases, int Runs, BenchFormat Format, string Folder, StompEndpoint? Target)
{
    private const int DefaultRuns = 3;

    private const string Usage = """
        usage: Millrace.Bench AREA [--case NAME]... [--runs N] [--dir PATH] [--target URL] [--json | --markdown]

          --case NAME   only this case; may be repeated
          --runs N      medians of N runs (3)
          --dir PATH    where durable stores are put (the folder of the program); must be on the disk that is to be measured
          --target URL  only in the area stomp: the broker at stomp://LOGIN:PASSCODE@HOST:PORT is measured instead of ours, and no other
          --json        one object a line: area, case, metric, value, unit, baseline, ratio
          --markdown    a page for bench/results

        """;

    public static BenchArguments Parse(string[] args, IReadOnlyList<BenchArea> areas)
    {
        var cases = new List<string>();
        var folder = AppContext.BaseDirectory;
        var format = BenchFormat.Table;
        var runs = DefaultRuns;
        string? area = null;
        StompEndpoint? target = null;
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--case":
                    cases.Add(ValueOf(args, ref i));
                    break;
                case "--runs":
                    var text = ValueOf(args, ref i);
                    runs = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= 1000
                        ? number
                        : throw new BenchUsageException($"--runs must be 1 to 1000, not '{text}'.");
                    break;
                case "--dir":
                    folder = ValueOf(args, ref i);
                    break;
                case "--target":
                    target = StompEndpoint.TryParse(ValueOf(args, ref i)) ?? throw new BenchUsageException("--target must be stomp://LOGIN:PASSCODE@HOST:PORT.");
                    break;
                case "--json":
                    format = BenchFormat.Json;
                    break;
                case "--markdown":
                    format = BenchFormat.Markdown;
                    break;
                default:
                    area = area is null && !args[i].StartsWith('-') ? args[i] : throw new BenchUsageException($"'{args[i]}' was not expected.\n\n{Usage}{ListOf(areas)}");
                    break;
            }
        }

        return Select(area, cases, areas, new BenchArguments(areas[0], [], runs, format, folder, target));
    }

    private static BenchArguments Select(string? name, List<string> cases, IReadOnlyList<BenchArea> areas, BenchArguments options)
    {
        if (name is null)
        {
            throw new BenchUsageException($"Which area?\n\n{Usage}{ListOf(areas)}");
        }

        var area = areas.FirstOrDefault(area => area.Name == name) ?? throw new BenchUsageException($"There is no area '{name}'. {ListOf(areas)}");
        foreach (var wanted in cases)
        {
            if (!area.Cases.Any(known => known.Name == wanted))
            {
                throw new BenchUsageException($"The area '{name}' has no case '{wanted}'. {ListOf([area])}");
            }
        }

        if (options.Target is not null && !area.TakesTarget)
        {
            var takers = string.Join(", ", areas.Where(area => area.TakesTarget).Select(area => area.Name));
            throw new BenchUsageException($"The area '{name}' takes no --target; those that do: {takers}.");
        }

        return Directory.Exists(options.Folder)
            ? options with { Area = area, Cases = [.. area.Cases.Where(known => cases.Count == 0 || cases.Contains(known.Name))] }
            : throw new BenchUsageException($"There is no folder '{options.Folder}' (--dir).");
    }

    private static string ValueOf(string[] args, ref int i) =>
        ++i < args.Length ? args[i] : throw new BenchUsageException($"{args[i - 1]} wants a value.\n\n{Usage}");

    private static string ListOf(IReadOnlyList<BenchArea> areas) =>
        "There are:\n" + string.Join('\n', areas.Select(area => $"  {area.Name}: {string.Join(", ", area.Cases.Select(known => known.Name))}"));
}
