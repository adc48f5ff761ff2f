using System.Globalization;
using Xunit;

namespace Millrace.Tests;

/// <summary>
/// The size of long tests, and the seed of random ones: CI size unless MILLRACE_FULL is set, a new seed unless MILLRACE_SEED replays one. Compiled into every test project.
/// </summary>
internal static class TestScale
{
    /// <summary>How long a test waits for what happens by itself. Reached only by a test that would hang: a machine may be slow, and have much else to do.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

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

    /// <summary>A source of random numbers, whose seed has been printed.</summary>
    public static Random CreateRandom() => new(Seed());

    /// <summary>Prints a line of a test's report.</summary>
    public static void Report(string line)
    {
        TestContext.Current.SendDiagnosticMessage("{0}", line);
        TestContext.Current.TestOutputHelper?.WriteLine(line);
    }
}
