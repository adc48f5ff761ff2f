namespace Millrace.App.Bench;

/// <summary>A set of numbers from 0 that are mostly all there: one bit each. Safe for concurrent use.</summary>
internal sealed class NumberSet
{
    private const int ChunkBits = 20;
    private const int BitsPerWord = 32;

    private readonly Lock _gate = new();
    private int[]?[] _chunks = new int[]?[16];

    /// <summary>Adds a number.</summary>
    /// <returns>False when it was there.</returns>
    public bool Add(long number)
    {
        var bit = 1 << (int)(number % BitsPerWord);
        return (Interlocked.Or(ref ChunkOf(number)[WordOf(number)], bit) & bit) == 0;
    }

    public bool Contains(long number)
    {
        var chunks = Volatile.Read(ref _chunks);
        var index = number >> ChunkBits;
        return index < chunks.Length && chunks[index] is { } chunk && (Volatile.Read(ref chunk[WordOf(number)]) & (1 << (int)(number % BitsPerWord))) != 0;
    }

    private static int WordOf(long number) => (int)(number & ((1L << ChunkBits) - 1)) / BitsPerWord;

    private int[] ChunkOf(long number)
    {
        var index = (int)(number >> ChunkBits);
        var chunks = Volatile.Read(ref _chunks);
        if (index < chunks.Length && Volatile.Read(ref chunks[index]) is { } chunk)
        {
            return chunk;
        }

        lock (_gate)
        {
            if (index >= _chunks.Length)
            {
                var longer = _chunks;
                Array.Resize(ref longer, Math.Max(index + 1, longer.Length * 2));
                Volatile.Write(ref _chunks, longer);
            }

            return _chunks[index] ??= new int[(1 << ChunkBits) / BitsPerWord];
        }
    }
}
