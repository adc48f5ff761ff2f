using Millrace.Storage;

namespace Millrace.Sqlite.Streams;

/// <summary>A row of the table of partitions. The offsets that can be read are from <paramref name="Earliest"/> to below <paramref name="Next"/>.</summary>
/// <param name="Id">Its number, which is never used again.</param>
/// <param name="Partitions">How many partitions the stream has.</param>
/// <param name="Retention">How long it keeps records.</param>
/// <param name="Earliest">The first offset.</param>
/// <param name="Next">The offset of the next record.</param>
/// <param name="Bytes">The bytes of keys, headers and bodies of its rows, which may begin before <paramref name="Earliest"/>.</param>
/// <param name="Newest">The highest timestamp that it ever had, in wall ticks.</param>
/// <param name="Producers">How many producers it remembers.</param>
internal sealed record PartitionRow(long Id, int Partitions, StreamRetention Retention, long Earliest, long Next, long Bytes, long Newest, int Producers);
