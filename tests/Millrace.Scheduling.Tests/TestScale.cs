using System.Globalization;
using Xunit;

namespace Millrace.Scheduling.Tests;

/// <summary>The size of long tests, and the seed of random ones: CI size unless MILLRACE_FULL is set, a new seed unless MILLRACE_SEED replays one.</summary>
internal static class TestScale
{
    public static bool IsFull => Environment.GetEnvironmentVariable("MILLRACE_FULL") is "1";

    /// <summary>A seed, which has been printed.</summary>
    /// <param name="ciSeed">The seed at CI size, for tests that are the same each time there; null: a new one.</param>
    public static int Seed(int? ciSeed = null)
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("MILLRACE_SEED"), CultureInfo.InvariantCulture, out var given) ? given
            : IsFull ? Random.Shared.Next()
            : ciSeed ?? Random.Shared.Next();
        Report($"MILLRACE_SEED={seed}");
        return seed;
    }

    /// <summary>Prints a line of a test's report.</summary>
    public static void Report(string line)
    {
        TestContext.Current.SendDiagnosticMessage("{0}", line);
        TestContext.Current.TestOutputHelper?.WriteLine(line);
    }
}
