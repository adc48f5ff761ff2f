using System.Text;
using System.Text.Json;
using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Triggers;

/// <summary>Triggers as JSON, there and back, and what is refused.</summary>
public sealed class TriggerJsonTests
{
    private static readonly DateTimeOffset Start = new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static TheoryData<Trigger, string> Written => new()
    {
        { Trigger.Cron("0 3 * * MON-FRI"), """{"cron":"0 3 * * MON-FRI"}""" },
        { Trigger.Cron("*/10 0 3 l-3,15w * ?", "Europe/Berlin"), """{"cron":"*/10 0 3 L-3,15W * *","zone":"Europe/Berlin"}""" },
        { Trigger.Daily(new TimeOnly(3, 30), "Asia/Tokyo"), """{"cron":"30 3 * * *","zone":"Asia/Tokyo"}""" },
        { Trigger.Every(TimeSpan.FromMinutes(5)), """{"every":"00:05:00"}""" },
        { Trigger.Every(TimeSpan.FromMilliseconds(1500), Start), """{"every":"00:00:01.5000000","anchor":"2027-01-01T00:00:00Z"}""" },
        { Trigger.Every(TimeSpan.FromDays(400)), """{"every":"400.00:00:00"}""" },
        { Trigger.Once(Start.AddMilliseconds(250)), """{"once":"2027-01-01T00:00:00.25Z"}""" },
        { Trigger.AnyOf(Trigger.Cron("@hourly"), Trigger.Once(Start)), """{"anyOf":[{"cron":"0 * * * *"},{"once":"2027-01-01T00:00:00Z"}]}""" },
        { Trigger.Cron("@hourly").Between(Start, null), """{"trigger":{"cron":"0 * * * *"},"start":"2027-01-01T00:00:00Z"}""" },
        { Trigger.Cron("@hourly").Between(Start, Start.AddDays(1)), """{"trigger":{"cron":"0 * * * *"},"start":"2027-01-01T00:00:00Z","end":"2027-01-02T00:00:00Z"}""" },
        {
            Trigger.Cron("@hourly").Except(ExclusionCalendar.In("Europe/Berlin")
                .WithDates(new DateOnly(2027, 12, 25), new DateOnly(2027, 12, 24)).WithDateRange(new DateOnly(2028, 1, 1), new DateOnly(2028, 1, 1)).WithAnnual(5, 1)
                .WithWeekdays(DayOfWeek.Saturday, DayOfWeek.Sunday).WithTimes(new TimeOnly(22, 0), new TimeOnly(6, 0, 30))),
            """{"trigger":{"cron":"0 * * * *"},"except":{"zone":"Europe/Berlin","dates":["2027-12-24/2027-12-25","2028-01-01"],"annual":["05-01"],"weekdays":["SUN","SAT"],"times":["00:00-06:00:30","22:00-24:00"]}}"""
        },
    };

    [Theory]
    [MemberData(nameof(Written))]
    public void ATrigger_Written_IsReadAsItWas(Trigger trigger, string expected)
    {
        var text = Write(trigger);

        Assert.Equal(expected, text);
        var read = Read(text);
        Assert.Equal(trigger, read);
        Assert.Equal(trigger.GetHashCode(), read.GetHashCode());
        Assert.Equal(trigger, TriggerJson.Read(JsonDocument.Parse(text).RootElement));
    }

    internal static string Write(Trigger trigger)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            TriggerJson.Write(json, trigger);
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    internal static Trigger Read(string text)
    {
        var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(text));
        return TriggerJson.Read(ref json);
    }
}
