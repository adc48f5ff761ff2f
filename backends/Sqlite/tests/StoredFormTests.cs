using Millrace.Sqlite.Queues;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>What stands in the file besides plain columns.</summary>
public sealed class StoredFormTests
{
    [Fact]
    public void AnAssignedId_IsAVersion7Uuid_ThatHoldsItsNumber_AndSortsByTimeAndNumber()
    {
        var at = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc).Ticks - DateTime.UnixEpoch.Ticks;
        long[] numbers = [1, 2, (1L << 36) - 1, 1L << 36, (1L << 48) - 1];
        var ids = numbers.Select(number => StoredId.Create(at, number, salt: 0x2ABCDEF)).Append(StoredId.Create(at + TimeSpan.TicksPerMillisecond, 1, 0x2ABCDEF)).ToList();

        Assert.All(ids, id => Assert.Equal(('7', true), (id.ToString()[14], "89ab".Contains(id.ToString()[19], StringComparison.Ordinal))));
        Assert.Equal(ids.Select(id => id.ToString()), ids.Select(id => id.ToString()).Order(StringComparer.Ordinal));
        foreach (var (number, id) in numbers.Zip(ids))
        {
            Assert.True(StoredId.TryGetNumber(id, 0x2ABCDEF, out var found));
            Assert.Equal(number, found);
            Assert.False(StoredId.TryGetNumber(id, 0x2ABCDEE, out _));
        }

        Assert.False(StoredId.TryGetNumber(Guid.Parse("3f2504e0-4f89-41d3-9a0c-0305e82c3301"), 0x2ABCDEF, out _));
    }

    [Fact]
    public void LeaseEntries_AreReadAsTheyWereWritten()
    {
        LeaseEntry[] entries = [new(1, 0, MessageFlags.None), new((1L << 48) - 1, int.MaxValue, MessageFlags.Key | MessageFlags.Details), new(5, 300, MessageFlags.Id)];
        Assert.Equal(entries, LeaseRow.Decode(LeaseRow.Encode(entries)));
        var neighbours = Enumerable.Range(0, 100).Select(i => new LeaseEntry(1_000_000 + i, 100, MessageFlags.None)).ToArray();
        Assert.InRange(LeaseRow.Encode(neighbours).Length, 1, 320);
    }

    [Fact]
    public void TornLeaseEntries_AreCorrupt() =>
        Assert.Throws<StorageCorruptException>(() => LeaseRow.Decode(LeaseRow.Encode([new(1000, 1000, MessageFlags.None)]).AsSpan(0, 3)));

    [Fact]
    public void Headers_AreReadAsTheyWereWritten()
    {
        var headers = MessageHeaders.Create(new("a", ""), new("ü", "värde"), new("long", new string('x', 70_000)));
        Assert.Equal(headers.ToArray(), HeaderCodec.Decode(HeaderCodec.Encode(headers)).ToArray());
        Assert.Throws<StorageCorruptException>(() => HeaderCodec.Decode(HeaderCodec.Encode(headers).AsSpan(0, 11)));
    }

    [Fact]
    public void AContinuationThatNobodyGave_IsRefused()
    {
        Assert.Equal((-5L, 7L), Continuation.Parse(Continuation.Format(-5, 7)));
        Assert.Throws<MillraceConfigurationException>(() => Continuation.Parse("next"));
    }
}
