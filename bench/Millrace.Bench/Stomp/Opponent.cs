namespace Millrace.Bench.Stomp;

/// <summary>Another broker, to compare with in the same run.</summary>
/// <param name="Key">What its metrics begin with.</param>
/// <param name="Name">What people call it.</param>
/// <param name="Package">The Debian package that it comes from.</param>
/// <param name="IsInstalled">Whether it is there to be started.</param>
/// <param name="StartAsync">Starts it with its data in a folder; <c>persistent</c> says whether it must be able to keep messages on the disk.</param>
internal sealed record Opponent(
    string Key, string Name, string Package, Func<bool> IsInstalled, Func<string, bool, CancellationToken, Task<StompBroker>> StartAsync)
{
    /// <summary>Those of them that can be measured now; says which cannot.</summary>
    public static IReadOnlyList<Opponent> Available(BenchContext context, params Opponent[] wanted)
    {
        if (context.Target is not null)
        {
            return [];
        }

        foreach (var missing in wanted.Where(opponent => !opponent.IsInstalled()))
        {
            Console.Error.WriteLine($"{missing.Name} is not installed (Debian package {missing.Package}): it is not measured, and there is no ratio to it.");
        }

        return [.. wanted.Where(opponent => opponent.IsInstalled())];
    }
}
