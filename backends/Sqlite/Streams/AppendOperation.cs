using Millrace.Sqlite.Queues;
using Millrace.Storage;

namespace Millrace.Sqlite.Streams;

/// <summary>Appends the rows of one request.</summary>
internal sealed class AppendOperation(StreamTables tables, long partition, AppendRequest request, List<EncodedRow> rows, long weight) : StoreOperation
{
    /// <summary>The result and the partition's end; null when there is no such partition any more.</summary>
    public (AppendResult Result, long End)? Outcome { get; private set; }

    public override long Weight => weight;

    public override void Apply(Ledger ledger) => Outcome = tables.Append(partition, in request, rows, ledger.Wall);
}
