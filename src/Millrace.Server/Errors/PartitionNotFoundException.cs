namespace Millrace.Server.Errors;

/// <summary>A partition that its stream does not have.</summary>
internal sealed class PartitionNotFoundException(string stream, int partition, int partitions)
    : MillraceException($"Stream '{stream}' has no partition {partition}: it has {partitions:N0}, numbered from 0 to {partitions - 1:N0}.")
{
    public string Stream => stream;
}
