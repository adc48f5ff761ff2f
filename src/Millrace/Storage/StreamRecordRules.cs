using System.Text;

namespace Millrace.Storage;

/// <summary>The limits of an append, checked by every store at its door, so that bad input gets the same clear error everywhere and nothing of it is stored.</summary>
public static class StreamRecordRules
{
    /// <summary>Checks an append.</summary>
    /// <returns>The bytes of keys, headers and bodies of all its records.</returns>
    /// <exception cref="InvalidMessageException">Says which record breaks which limit.</exception>
    public static long Require(in AppendRequest request, StreamCapabilities capabilities)
    {
        ArgumentNullException.ThrowIfNull(capabilities);
        var records = request.Records.Span;
        var total = 0L;
        for (var i = 0; i < records.Length; i++)
        {
            var bytes = SizeOf(in records[i]);
            if (bytes > capabilities.MaxRecordBytes)
            {
                throw Invalid(i, records.Length, $"its key, headers and body have {bytes:N0} bytes, the limit is {capabilities.MaxRecordBytes:N0}");
            }

            if (records[i].Headers is { Count: > EnvelopeRules.MaxHeaders } headers)
            {
                throw Invalid(i, records.Length, $"it has {headers.Count:N0} headers, the limit is {EnvelopeRules.MaxHeaders}");
            }

            total += bytes;
        }

        if (total > capabilities.MaxAppendBytes)
        {
            throw new InvalidMessageException(
                $"The append was refused: its {records.Length:N0} records have {total:N0} bytes, the limit is {capabilities.MaxAppendBytes:N0}. Split it into smaller ones.");
        }

        if (request.ProducerId is not null)
        {
            RequireProducer(in request);
        }

        return total;
    }

    /// <summary>The bytes of key, headers and body of a record, as limits, pages and retention count them.</summary>
    public static long SizeOf(in StreamRecord record)
    {
        var bytes = (long)record.Key.Length + record.Body.Length;
        if (record.Headers is { Count: > 0 } headers)
        {
            foreach (var header in headers.AsSpan())
            {
                bytes += Encoding.UTF8.GetByteCount(header.Key) + Encoding.UTF8.GetByteCount(header.Value);
            }
        }

        return bytes;
    }

    private static void RequireProducer(in AppendRequest request)
    {
        ResourceName.RequireText(request.ProducerId!, "producer");
        if (request.FirstSequence < 0 || request.FirstSequence > long.MaxValue - request.Records.Length)
        {
            throw new InvalidMessageException($"The append was refused: its first sequence is {request.FirstSequence}, sequences run from 0 up.");
        }
    }

    private static InvalidMessageException Invalid(int index, int count, string reason) =>
        new(count == 1 ? $"The record was refused: {reason}." : $"Record {index + 1} of {count} was refused, and the append with it: {reason}.");
}
