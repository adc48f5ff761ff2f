using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>
/// Writes records as server-sent events. The id of each is the position of every partition that is followed: <c>partition:offset</c>, where the offset is that of the last record
/// that has been sent, with commas between.
/// </summary>
internal sealed class RecordEvents
{
    private readonly EventWriter _output;
    private readonly EventFormat _format;
    private readonly (int Partition, long Next)[] _positions;
    private readonly Dictionary<int, int> _indexes;

    public RecordEvents(ApiCall call, PartitionFollower follower, EventFormat format)
    {
        (_output, _format) = (new EventWriter(call), format);
        _positions = [.. follower.Positions];
        _indexes = Enumerable.Range(0, _positions.Length).ToDictionary(index => _positions[index].Partition);
    }

    /// <summary>Begins with the place where following begins, so that who is cut off before the first record comes back to it. An event without data is none, but its id counts.</summary>
    public async ValueTask BeginAsync()
    {
        await _output.BeginAsync("following"u8.ToArray()).ConfigureAwait(false);
        WriteId();
        _output.Write("\n\n"u8);
        await _output.FlushAsync().ConfigureAwait(false);
    }

    public ValueTask KeepAliveAsync() => _output.KeepAliveAsync();

    public async ValueTask WriteAsync(FollowedPage page)
    {
        if (page.Missing is { } missing)
        {
            WriteGap(page.Partition, missing);
        }
        else
        {
            for (var i = 0; i < page.Page!.Records.Length; i++)
            {
                Write(page.Partition, page.Page.Records.Span[i]);
                await _output.FlushIfMuchAsync().ConfigureAwait(false);
            }
        }

        await _output.FlushAsync().ConfigureAwait(false);
    }

    private void Write(int partition, in StreamRecord record)
    {
        WriteId(partition, record.Offset + 1);
        if (_format == EventFormat.Json)
        {
            _output.Write("\ndata: "u8);
            _output.WriteJson((partition, record), static (json, value) => StreamWire.WriteRecord(json, in value.record, value.partition));
            _output.Write("\n\n"u8);
        }
        else
        {
            _output.WriteBody(record.Headers, record.Body.Span);
        }
    }

    // Never a silent skip (S5).
    private void WriteGap(int partition, OffsetOutOfRangeException missing)
    {
        WriteId(partition, missing.End ?? missing.Earliest);
        _output.Write("\nevent: gap\ndata: "u8);
        _output.WriteJson((partition, missing), static (json, gap) =>
        {
            json.WriteStartObject();
            json.WriteNumber(WireNames.Partition, gap.partition);
            json.WriteNumber(WireNames.Offset, gap.missing.Offset);
            json.WriteNumber(WireNames.EarliestOffset, gap.missing.Earliest);
            if (gap.missing.End is { } end)
            {
                json.WriteNumber(WireNames.EndOffset, end);
            }

            json.WriteEndObject();
        });
        _output.Write("\n\n"u8);
    }

    private void WriteId(int partition, long next)
    {
        _positions[_indexes[partition]].Next = next;
        WriteId();
    }

    private void WriteId()
    {
        for (var i = 0; i < _positions.Length; i++)
        {
            _output.Write(i == 0 ? "id: "u8 : ","u8);
            _output.Write(_positions[i].Partition);
            _output.Write(":"u8);
            _output.Write(_positions[i].Next - 1);
        }
    }
}
