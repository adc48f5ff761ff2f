using System.Numerics;
using System.Text;

namespace Millrace.Cli.Tests.Processes;

/// <summary>The lot that the sample worker draws for a line, by its CRC-32C: 0 fails for good, 1 fails once.</summary>
internal static class SampleLot
{
    public static int Of(string line)
    {
        var hash = uint.MaxValue;
        foreach (var b in Encoding.UTF8.GetBytes(line))
        {
            hash = BitOperations.Crc32C(hash, b);
        }

        return (int)(hash % 100);
    }
}
