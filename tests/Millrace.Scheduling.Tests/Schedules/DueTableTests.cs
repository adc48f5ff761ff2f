using Millrace.Scheduling.Schedules;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>The schedules of a node by due time.</summary>
public sealed class DueTableTests
{
    [Fact]
    public void Table_ThroughRandomChanges_GivesOutWhatIsDueInOrder()
    {
        var random = new Random(TestScale.Seed());
        var table = new DueTable();
        var expected = new Dictionary<string, DateTimeOffset?>(StringComparer.Ordinal);
        var now = ScheduleWorld.Start;
        for (var step = 0; step < 20_000; step++)
        {
            var name = $"s{random.Next(200)}";
            switch (random.Next(10))
            {
                case < 5:
                    expected[name] = random.Next(5) == 0 ? null : now.AddSeconds(random.Next(-5, 100));
                    table.Set(table.GetOrAdd(name), expected[name]);
                    break;
                case < 6:
                    if (table.Find(name) is { } entry)
                    {
                        table.Remove(entry);
                        expected.Remove(name);
                    }

                    break;
                default:
                    now = now.AddSeconds(random.Next(3));
                    while (table.TakeDue(now) is { } due)
                    {
                        var first = expected.Values.Min();
                        Assert.Equal(first, expected[due.Key]);
                        Assert.True(first <= now);
                        expected[due.Key] = null;
                    }

                    break;
            }

            Assert.Equal(expected.Count, table.Count);
            Assert.Equal(expected.Values.Min()?.UtcTicks ?? long.MaxValue, table.FirstDue);
        }

        Assert.Null(table.TakeDue(DateTimeOffset.MinValue));
        Assert.Same(table.Find(table.Entries.First().Key), table.GetOrAdd(table.Entries.First().Key));
    }
}
