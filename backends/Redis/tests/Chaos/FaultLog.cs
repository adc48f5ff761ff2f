using System.Collections.Concurrent;
using System.Globalization;
using Millrace.Redis.Client;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>The errors that callers have met: those that the contract allows while servers come and go are counted, all others are kept. Safe for concurrent use.</summary>
internal sealed class FaultLog
{
    private const string Unknown = "unavailable, may have been applied";

    private readonly ConcurrentQueue<string> _wrong = new();
    private readonly ConcurrentDictionary<string, int> _allowed = new();

    public bool HasAny => !_allowed.IsEmpty;

    /// <summary>How many said that they may have been applied.</summary>
    public int UnknownFates => _allowed.GetValueOrDefault(Unknown);

    /// <summary>Takes an error.</summary>
    /// <returns>Whether the operation may have been applied.</returns>
    public bool Add(string operation, Exception fault)
    {
        switch (fault)
        {
            case BackendUnavailableException { MayHaveBeenApplied: true }:
                Count(Unknown);
                return true;
            case BackendUnavailableException:
                Count("unavailable, not applied");
                return false;
            case RedisServerException { IsTransient: true } refusal:
                Count("answered " + refusal.Code);
                return false;
            default:
                _wrong.Enqueue($"{operation}: {fault}");
                return true;
        }
    }

    /// <summary>Fails if a caller has seen what none should ever see.</summary>
    public void AssertNoneWrong() => Assert.True(_wrong.IsEmpty, $"{_wrong.Count} errors that nobody should see, such as: {_wrong.FirstOrDefault()}");

    public override string ToString() =>
        _allowed.IsEmpty ? "no errors" : string.Join(", ", _allowed.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Value} {pair.Key}")));

    private void Count(string kind) => _allowed.AddOrUpdate(kind, 1, static (_, count) => count + 1);
}
