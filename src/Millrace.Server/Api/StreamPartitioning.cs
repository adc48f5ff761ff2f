namespace Millrace.Server.Api;

internal static class StreamPartitioning
{
    public static int PartitionOf(ReadOnlySpan<byte> key, int partitions) => (int)((uint)string.GetHashCode(System.Text.Encoding.Latin1.GetString(key).AsSpan()) % (uint)partitions);
}
