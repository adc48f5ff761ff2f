using Millrace.Scheduling.Schedules;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>What a definition may say, and how its documents and messages are named.</summary>
public sealed class ScheduleRulesTests
{
    public static TheoryData<string> Refused => [.. Wrong.Keys];

    private static Dictionary<string, ScheduleDefinition> Wrong { get; } = new()
    {
        ["description"] = Good() with { Description = new string('x', 1001) },
        ["end"] = Good() with { Start = ScheduleWorld.Start, End = ScheduleWorld.Start },
        ["jitter"] = Good() with { Jitter = TimeSpan.FromDays(2) },
        ["maxRuns"] = Good() with { MaxRuns = 0 },
        ["misfire grace"] = Good() with { Misfire = MisfirePolicy.Skip with { Grace = TimeSpan.Zero } },
        ["1 s to a day"] = Good() with { Misfire = MisfirePolicy.FireOnce with { Grace = TimeSpan.FromSeconds(0.999) } },
        ["names no queue"] = Good() with { Target = new MessageTarget() },
        ["timeout"] = Good() with { Timeout = TimeSpan.Zero },
        ["priority"] = Good() with { Priority = -1 },
        ["MaxAttempts"] = Good() with { Retry = new JobRetry { MaxAttempts = 0 } },
        ["tags"] = Good() with { Tags = [.. Enumerable.Repeat("x", 51)] },
        ["metadata"] = Good() with { Metadata = Enumerable.Range(0, 51).ToDictionary(i => $"{i}", i => "") },
        ["tags and metadata"] = Good() with { Tags = [new string('x', 1001)] },
        ["job version"] = Good() with { Target = new JobTarget { Job = "x", Version = 0 } },
        ["arguments"] = Good() with { Target = new JobTarget { Job = "x", Arguments = new byte[256 * 1024 + 1] } },
        ["policies"] = Good() with { Target = new MessageTarget(), Timeout = TimeSpan.FromSeconds(1) },
        ["target"] = Good() with { Target = null! },
        ["trigger"] = Good() with { Trigger = null! },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Definition_WithAValueOutOfRange_IsRefusedByTheNameOfTheField(string field)
    {
        var refused = Assert.Throws<MillraceConfigurationException>(() => ScheduleRules.Require(Wrong[field]));

        Assert.Contains(field, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("q")]
    [InlineData(ScheduleDefinition.DefaultQueue)]
    public void Message_ToAQueueThatWasNamed_IsTaken(string queue) => ScheduleRules.Require(Good() with { Target = new MessageTarget(), Queue = queue });

    [Theory]
    [InlineData("")]
    [InlineData("a@b")]
    [InlineData("a!b")]
    [InlineData("a\nb")]
    public void Name_ThatKeysOrIdsCannotHave_IsRefused(string name)
    {
        Assert.Throws<InvalidNameException>(() => ScheduleRules.Require(Good() with { Name = name }));
        Assert.Throws<InvalidNameException>(() => ScheduleKeys.RequireName(name));
    }

    [Fact]
    public void Name_OfTheGreatestLength_MakesAnIdThatQueuesTake()
    {
        var name = new string('ä', ScheduleDefinition.MaxNameBytes / 2);
        ScheduleKeys.RequireName(name);
        Assert.Throws<InvalidNameException>(() => ScheduleKeys.RequireName(name + "x"));

        var id = ScheduleKeys.OfOccurrence(name, long.MaxValue, DateTimeOffset.MaxValue, Guid.NewGuid().ToString("N"));
        Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(id), 1, 200);
        ResourceName.RequireStateKey(ScheduleKeys.OfDefinition(name));
    }

    [Theory]
    [InlineData("s", 1, null)]
    [InlineData("a~b", 42, null)]
    [InlineData("x", long.MaxValue, "abc")]
    public void Id_OfAnOccurrence_TellsItsVersionAndWhetherItWasAskedFor(string name, long version, string? askedFor)
    {
        var id = ScheduleKeys.OfOccurrence(name, version, ScheduleWorld.Start, askedFor);

        Assert.Equal(version, ScheduleKeys.VersionOf(id));
        Assert.Equal(askedFor is not null, ScheduleKeys.IsAskedFor(id));
        Assert.StartsWith($"{name}@{version}@1893456000000", id, StringComparison.Ordinal);
    }

    [Fact]
    public void Definition_ThatIsNeverDue_IsRefusedWithItsTrigger()
    {
        var ended = ScheduleWorld.DocumentOf(Good() with { End = ScheduleWorld.Start });

        Assert.Contains("'every 1s' has no occurrence then", Assert.Throws<MillraceConfigurationException>(() => ScheduleRules.RequireDue(ended)).Message, StringComparison.Ordinal);
    }

    private static ScheduleDefinition Good() => ScheduleWorld.EverySecond("good");
}
