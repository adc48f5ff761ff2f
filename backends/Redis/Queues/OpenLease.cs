using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>What one lease call took: its deliveries, and which of them are open. Guarded by its receiver.</summary>
internal sealed class OpenLease(RedisReceiver receiver, ulong key, long[] numbers)
{
    // Most are settled in the order in which they were leased, so a search begins where the last one ended.
    private int _next;

    public RedisReceiver Receiver { get; } = receiver;

    /// <summary>The half that the tokens of these deliveries share.</summary>
    public ulong Key { get; } = key;

    /// <summary>How many are open.</summary>
    public int Count { get; private set; } = numbers.Length;

    /// <summary>Notes that one is being settled: it is not renewed, and no renewal reports it as lost.</summary>
    /// <returns>Whether it was open, and nobody is settling it.</returns>
    public bool Begin(long number) => Replace(number, -number);

    /// <summary>Notes that the settlement of one has failed, so that it is open as before.</summary>
    public void Undo(long number) => Replace(-number, number);

    /// <summary>Notes that one is settled, or found lost.</summary>
    /// <returns>Whether it was open, and nobody is settling it.</returns>
    public bool End(long number)
    {
        if (Replace(-number, 0))
        {
            Count--;
            return false;
        }

        var wasOpen = Replace(number, 0);
        Count -= wasOpen ? 1 : 0;
        return wasOpen;
    }

    /// <summary>Adds the tokens of what is open, in the order of leasing.</summary>
    public void AddOpen(List<LeaseToken> tokens)
    {
        foreach (var number in numbers)
        {
            if (number > 0)
            {
                tokens.Add(new LeaseToken(Key, (ulong)number));
            }
        }
    }

    private bool Replace(long number, long by)
    {
        for (var i = 0; i < numbers.Length; i++)
        {
            var at = _next + i < numbers.Length ? _next + i : _next + i - numbers.Length;
            if (numbers[at] == number)
            {
                numbers[at] = by;
                _next = at + 1 == numbers.Length ? 0 : at + 1;
                return true;
            }
        }

        return false;
    }
}
