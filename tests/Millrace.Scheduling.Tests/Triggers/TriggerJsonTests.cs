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

    [Theory]
    [InlineData("\"every 5m\"", "every 5m")]
    [InlineData("""{"every":"5m"}""", "every 5m")]
    [InlineData("""{"cron":"@daily","zone":null}""", "0 0 * * *")]
    [InlineData("""{"trigger":"@daily","except":{"weekdays":["sunday"]},"end":"2027-01-01T01:00+01:00"}""", "0 0 * * *, except SUN, before 2027-01-01T00:00:00Z")]
    public void Json_WrittenByPeople_IsRead(string text, string expected) => Assert.Equal(expected, Read(text).ToString());

    [Theory]
    [InlineData("{}", "none of them")]
    [InlineData("5", "object was expected")]
    [InlineData("null", "object was expected")]
    [InlineData("""{"cron":5}""", "'cron' of a trigger must be a text")]
    [InlineData("""{"cron":"* * * *"}""", "4 fields")]
    [InlineData("""{"cron":"@daily","zone":"Mars/Olympus"}""", "no time zone")]
    [InlineData("""{"cron":"@daily","Zone":"UTC"}""", "'Zone'")]
    [InlineData("""{"cron":"@daily","cron":"@hourly"}""", "each once")]
    [InlineData("""{"cron":"@daily","every":"5m"}""", "'every'")]
    [InlineData("""{"every":"5m","zone":"Europe/Berlin"}""", "'zone'")]
    [InlineData("""{"every":"5"}""", "number with a unit")]
    [InlineData("""{"every":"-00:05:00"}""", "1 at least")]
    [InlineData("""{"every":"5m","anchor":"yesterday"}""", "'anchor'")]
    [InlineData("""{"once":"2027-01-01"}""", "'once'")]
    [InlineData("""{"anyOf":{}}""", "an array")]
    [InlineData("""{"anyOf":[]}""", "one at least")]
    [InlineData("""{"trigger":{"cron":"@daily"},"except":[]}""", "object was expected")]
    [InlineData("""{"trigger":{"cron":"@daily"},"except":{"days":[]}}""", "'days'")]
    [InlineData("""{"trigger":{"cron":"@daily"},"except":{"dates":["2027-02-30"]}}""", "2027-02-30")]
    [InlineData("""{"trigger":{"cron":"@daily"},"except":{"annual":["13-01"]}}""", "13-01")]
    [InlineData("""{"trigger":{"cron":"@daily"},"except":{"weekdays":["MOO"]}}""", "MOO")]
    [InlineData("""{"trigger":{"cron":"@daily"},"except":{"weekdays":[1]}}""", "'1'")]
    [InlineData("""{"trigger":{"cron":"@daily"},"except":{"times":["25:00-26:00"]}}""", "25:00-26:00")]
    [InlineData("""{"trigger":{"cron":"@daily"},"start":"2027-01-01T00:00:00Z","end":"2027-01-01T00:00:00Z"}""", "must be later")]
    [InlineData("""{"cron":"@daily","start":"2027-01-01T00:00:00Z"}""", "'start'")]
    public void Json_ThatIsNoTrigger_IsRefused_WithTheField(string text, string reason)
    {
        var refused = Assert.Throws<InvalidTriggerException>(() => Read(text));

        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.True(refused.Message.Length < 500);
    }

    [Fact]
    public void HostileJson_IsRefused()
    {
        var deep = string.Concat(Enumerable.Repeat("""{"trigger":""", 60)) + "\"@daily\"" + string.Concat(Enumerable.Repeat(""","end":"2027-01-01T00:00:00Z"}""", 60));
        Assert.Equal("0 0 * * *, before 2027-01-01T00:00:00Z", Read(deep).ToString());
        Assert.ThrowsAny<JsonException>(() => Read(string.Concat(Enumerable.Repeat("""{"trigger":""", 100_000))));
        Assert.Throws<InvalidTriggerException>(() => Read($$"""{"anyOf":[{{string.Join(',', Enumerable.Repeat("\"@daily\"", 10_000))}}]}"""));
        Assert.Throws<InvalidTriggerException>(() => Read($$$"""{"trigger":"@daily","except":{"dates":[{{{string.Join(',', Enumerable.Repeat("\"2027-01-01\"", 10_000))}}}]}}"""));
        Assert.Throws<InvalidTriggerException>(() => Read($$"""{"cron":"{{new string('1', 1_000_000)}}"}"""));
        Assert.Throws<InvalidTriggerException>(() => Read($$"""{"{{new string('x', 1_000_000)}}":1,"cron":"@daily"}"""));
    }

    [Fact]
    public void RandomTriggers_Written_AreReadAsTheyWere()
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        for (var i = 0; i < (TestScale.IsFull ? 20_000 : 500); i++)
        {
            var trigger = RandomTrigger(random, 3);
            var read = Read(Write(trigger));

            Assert.True(trigger.Equals(read) && trigger.GetHashCode() == read.GetHashCode(), $"{trigger} (MILLRACE_SEED={seed})");
            var after = Start.AddSeconds(random.Next());
            Assert.Equal(trigger.Next(after), read.Next(after));
        }
    }

    private static Trigger RandomTrigger(Random random, int depth) => random.Next(depth > 0 ? 7 : 3) switch
    {
        0 => Trigger.Cron($"{random.Next(60)} {random.Next(24)} * * {random.Next(8)}", random.Next(2) == 0 ? null : "Europe/Berlin"),
        1 => Trigger.Every(TimeSpan.FromMilliseconds(random.NextInt64(1, 1L << 40)), random.Next(2) == 0 ? null : Start.AddMilliseconds(random.Next())),
        2 => Trigger.Once(Start.AddTicks(random.NextInt64(1L << 58))),
        3 => Trigger.AnyOf([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => RandomTrigger(random, depth - 1))]),
        4 => RandomTrigger(random, depth - 1).Between(Start.AddMilliseconds(random.Next()), random.Next(2) == 0 ? null : Start.AddYears(10)),
        5 => RandomTrigger(random, depth - 1).Except(ExclusionCalendar.In(random.Next(2) == 0 ? null : "Asia/Tokyo").WithWeekdays((DayOfWeek)random.Next(7)).WithAnnual(random.Next(1, 13), random.Next(1, 30))),
        _ => RandomTrigger(random, depth - 1).Except(ExclusionCalendar.In()
            .WithDates(new DateOnly(2027, 1, 1).AddDays(random.Next(4000)), new DateOnly(2027, 1, 1).AddDays(random.Next(4000))).WithTimes(new TimeOnly(random.Next(24), 30), new TimeOnly(random.Next(24), 0, 15))),
    };

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
