using System.Collections.Concurrent;

namespace HostedWorker;

/// <summary>A service that the handler needs.</summary>
internal sealed class Stock
{
    private readonly ConcurrentDictionary<string, int> _pieces = new() { ["bolt"] = 100, ["gear"] = 3 };

    public int Take(string article, int quantity) => _pieces.AddOrUpdate(
        article,
        _ => throw new OutOfStockException(article),
        (_, left) => left >= quantity ? left - quantity : throw new OutOfStockException(article));
}

/// <summary>No retry can mend this one, so the policy excepts it.</summary>
internal sealed class OutOfStockException(string article) : Exception($"There is not enough of '{article}'.");
