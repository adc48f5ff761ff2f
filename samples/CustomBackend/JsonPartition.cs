using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Millrace;
using Millrace.Storage;

namespace CustomBackend;

/// <summary>
/// One file: each line is an append, or says where the partition begins. Its records are in memory too, as in the simplest of databases. Room in the file is not freed.
/// </summary>
internal sealed class JsonPartition(StreamPartitionContext context, JsonStreamStore store, string path) : StreamPartitionBase(context, store)
{
    private readonly List<StreamRecord> _records = [];
    private SafeFileHandle? _file;
    private long _length;
    private long _start;

    protected override ValueTask RecoverAsync()
    {
        try
        {
            _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException failure)
        {
            throw new BackendUnavailableException($"'{path}' cannot be opened, as when another process has it open: {failure.Message}", innerException: failure);
        }

        var bytes = new byte[RandomAccess.GetLength(_file)];
        RandomAccess.Read(_file, bytes, 0);
        for (var number = 1; Array.IndexOf(bytes, (byte)'\n', (int)_length) is >= 0 and var end; number++)
        {
            Recover(bytes.AsSpan((int)_length, end - (int)_length), number);
            _length = end + 1;
        }

        // What has no end of line was being written when the process died; nobody was told that it is stored.
        RandomAccess.SetLength(_file, _length);
        return default;
    }

    protected override async ValueTask StoreAsync(StreamBatch batch)
    {
        var records = batch.Records.ToArray();
        await WriteAsync(new Line
        {
            First = batch.FirstOffset,
            Producer = batch.ProducerId,
            Sequence = batch.FirstSequence,
            Records = Array.ConvertAll(records, record => new LineRecord(
                record.Timestamp, record.Key.ToArray(), record.Body.ToArray(), record.Headers?.Select(header => new[] { header.Key, header.Value }).ToArray())),
        });
        _records.AddRange(records);
    }

    protected override ValueTask<IReadOnlyList<StreamRecord>> LoadAsync(long offset, int maxRecords, int maxBytes) =>
        new(_records.GetRange((int)(offset - _start), maxRecords));

    protected override async ValueTask RemoveBeforeAsync(long offset)
    {
        await WriteAsync(new Line { Start = offset });
        Remove(offset);
    }

    protected override ValueTask CloseAsync()
    {
        _file?.Dispose();
        return default;
    }

    private async ValueTask WriteAsync(Line line)
    {
        byte[] bytes = [.. JsonSerializer.SerializeToUtf8Bytes(line), (byte)'\n'];
        try
        {
            await RandomAccess.WriteAsync(_file!, bytes, _length);
            RandomAccess.FlushToDisk(_file!);
            _length += bytes.Length;
        }
        catch (IOException failure)
        {
            // Nothing of it may come back at the next start.
            RandomAccess.SetLength(_file!, _length);
            throw new BackendUnavailableException($"Writing '{path}' failed: {failure.Message}", innerException: failure);
        }
    }

    private void Recover(ReadOnlySpan<byte> json, int number)
    {
        Line line;
        try
        {
            line = JsonSerializer.Deserialize<Line>(json) ?? throw new JsonException();
        }
        catch (JsonException damage)
        {
            throw new StorageCorruptException($"The file '{path}' is damaged: its line {number} is no JSON.", damage);
        }

        if (line.Start is { } start)
        {
            RestoreStart(start);
            Remove(start);
            return;
        }

        var records = line.Records!.Select((record, i) => new StreamRecord
        {
            Offset = line.First + i,
            Timestamp = record.Timestamp,
            Key = record.Key,
            Body = record.Body,
            Headers = record.Headers is null ? null : MessageHeaders.Create(record.Headers.Select(header => KeyValuePair.Create(header[0], header[1]))),
        }).ToArray();
        Restore(new StreamBatch(line.First, records, line.Producer, line.Sequence));
        _records.AddRange(records);
    }

    private void Remove(long offset)
    {
        _records.RemoveRange(0, (int)(offset - _start));
        _start = offset;
    }

    private sealed record Line
    {
        public long? Start { get; init; }

        public long First { get; init; }

        public string? Producer { get; init; }

        public long Sequence { get; init; }

        public LineRecord[]? Records { get; init; }
    }

    private sealed record LineRecord(DateTimeOffset Timestamp, byte[] Key, byte[] Body, string[][]? Headers);
}
