using System.Globalization;
using Xunit;

namespace Millrace.Server.Tests.Security;

/// <summary>Seeds of randomised tests: printed with the test's output, and replayed by <c>MILLRACE_SEED</c>.</summary>
internal static class TestSeed
{
    public static int Next()
    {
        var seed = Environment.GetEnvironmentVariable("MILLRACE_SEED") is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : Random.Shared.Next(1_000_000);
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed} (replay with MILLRACE_SEED={seed})");
        return seed;
    }
}
