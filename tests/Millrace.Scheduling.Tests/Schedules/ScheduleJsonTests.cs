using System.Text;
using System.Text.Json;
using Millrace.Scheduling.Schedules;
using Millrace.Scheduling.Triggers;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>The JSON of definitions, cursors and changes.</summary>
public sealed class ScheduleJsonTests
{
    private static readonly DateTimeOffset Time = new(2031, 5, 4, 3, 2, 1, 987, TimeSpan.Zero);

    public static TheoryData<string> Names => [.. Definitions.Keys];

    private static Dictionary<string, ScheduleDefinition> Definitions { get; } = new()
    {
        ["least"] = ScheduleWorld.EverySecond("least"),
        ["everything"] = new ScheduleDefinition
        {
            Name = "everything",
            Trigger = Trigger.AnyOf(Trigger.Cron("0 3 * * *", "Europe/Berlin"), Trigger.Once(Time)).Except(ExclusionCalendar.In().WithWeekdays(DayOfWeek.Saturday)),
            Target = new JobTarget { Job = "send", Version = 3, Arguments = "{\"a\":[1,2]}"u8.ToArray() },
            Queue = "other",
            Description = "Ünïcode \"and\" 'quotes' 🙂",
            Start = Time,
            End = Time.AddDays(1),
            Jitter = TimeSpan.FromMilliseconds(1500.5),
            MaxRuns = 12,
            Misfire = MisfirePolicy.FireAll(7) with { Grace = TimeSpan.FromSeconds(3) },
            Overlap = OverlapPolicy.Allow(4),
            Timeout = TimeSpan.FromMinutes(2),
            Retry = new JobRetry { MaxAttempts = 3, Kind = RetryDelay.Linear, Delay = TimeSpan.FromSeconds(2), MaxDelay = TimeSpan.FromSeconds(20), Factor = 1.5, RetryOn = ["A.B"], FailOn = ["C"] },
            Track = true,
            Priority = 9,
            Tags = ["x", "y"],
            Metadata = new Dictionary<string, string> { ["k"] = "v", ["a"] = "" },
            IsEnabled = false,
        },
        ["skip"] = ScheduleWorld.EverySecond("skip") with { Misfire = MisfirePolicy.Skip, Overlap = OverlapPolicy.BufferOne, Retry = JobRetry.None },
        ["once"] = ScheduleWorld.EverySecond("once") with { Misfire = MisfirePolicy.FireOnce with { Grace = MisfirePolicy.ShortestGrace }, Overlap = OverlapPolicy.CancelRunning },
        ["allow"] = ScheduleWorld.EverySecond("allow") with { Overlap = OverlapPolicy.Allow(), Retry = new JobRetry { Kind = RetryDelay.Random } },
        ["bytes"] = Job("bytes", [0, 255, 128], "application/octet-stream"),
        ["no-arguments"] = Job("no-arguments", [], "application/json"),
        ["spaces"] = Job("spaces", " {} \n"u8.ToArray(), "application/json"),
        ["bad-utf8"] = Job("bad-utf8", [(byte)'"', 0xff, (byte)'"'], "application/json"),
        ["no-json"] = Job("no-json", "{"u8.ToArray(), "application/json"),
        ["deep"] = Job("deep", Encoding.UTF8.GetBytes(new string('[', 63) + new string(']', 63)), "application/json"),
        ["half-pair"] = Job("half-pair", "\"\\ud800\""u8.ToArray(), "application/json"),
        ["json-message"] = Message("json-message", "[1]"u8.ToArray(), "application/json"),
        ["text-message"] = Message("text-message", "Grüße"u8.ToArray(), "text/plain"),
        ["bytes-message"] = Message("bytes-message", [1, 2, 254], null),
        ["empty-message"] = Message("empty-message", [], null),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Definition_WrittenAndRead_IsTheSame(string name)
    {
        var definition = Definitions[name];
        var utf8 = Write(definition);

        var reader = new WireReader(utf8, isStrict: true);
        var read = ScheduleJson.Read(ref reader);

        Assert.Equal(utf8, Write(read));
        Assert.True(ScheduleWorld.DocumentOf(definition).DoesTheSame(read));
        Assert.Equal((definition.Queue, definition.Description, definition.MaxRuns, definition.Priority, definition.IsEnabled), (read.Queue, read.Description, read.MaxRuns, read.Priority, read.IsEnabled));
        Assert.Equal((definition.Misfire, definition.Overlap, definition.Timeout, definition.Retry, definition.Track), (read.Misfire, read.Overlap, read.Timeout, read.Retry, read.Track));
        Assert.Equal(definition.Tags, read.Tags);
        Assert.Equal(definition.Metadata.OrderBy(entry => entry.Key), read.Metadata.OrderBy(entry => entry.Key));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Document_WrittenAndRead_IsTheSame(string name)
    {
        var document = new ScheduleDocument { Definition = Definitions[name], Version = 5, FirstVersion = 3, Since = Time, CreatedAt = Time.AddDays(-1), Source = "code:app", PausedAt = Time.AddHours(1), OrphanedAt = Time.AddHours(2) };
        var utf8 = ScheduleDocuments.Write(document);
        var read = ScheduleDocuments.ReadSchedule(new StateDocument("!schedule!x", utf8, 1));

        Assert.Equal(utf8, ScheduleDocuments.Write(read));
        Assert.Equal(
            (document.Version, document.FirstVersion, document.Since, document.CreatedAt, document.Source, document.PausedAt, document.OrphanedAt),
            (read.Version, read.FirstVersion, read.Since, read.CreatedAt, read.Source, read.PausedAt, read.OrphanedAt));
    }

    [Theory]
    [InlineData(5, 0)]
    [InlineData(5, 1)]
    [InlineData(0, 0)]
    [InlineData(0, 5)]
    public void Document_OfAnyFirstVersion_SaysIt(int changedAfter, long firstVersion)
    {
        var document = ScheduleWorld.DocumentOf(ScheduleWorld.EverySecond("s"), ScheduleWorld.Start.AddDays(changedAfter)) with { Version = 5, FirstVersion = firstVersion };

        Assert.Equal(firstVersion, ScheduleDocuments.ReadSchedule(new StateDocument("!schedule!s", ScheduleDocuments.Write(document), 1)).FirstVersion);
    }

    [Fact]
    public void Cursor_WrittenAndRead_IsTheSame()
    {
        var cursor = new CursorDocument
        {
            Version = 3,
            Cursor = Time,
            Open = [new OpenOccurrence("s@3@1", Time, "jobs", null), new OpenOccurrence("s@3@2~x", Time.AddSeconds(1), "other", Time.AddSeconds(2)), new OpenOccurrence("s@3@3", Time, "jobs", null, IsInTurn: true)],
            Fired = 1,
            AskedFor = 6,
            Succeeded = 2,
            Failed = 3,
            Cancelled = 4,
            Skipped = 5,
            Last = new LastRun(Time, Time.AddSeconds(3), RunOutcome.Failed, "It broke."),
        };
        var read = ReadCursor(cursor);

        Assert.Equal(cursor with { Open = [] }, read with { Open = cursor with { Open = [] } is var bare ? bare.Open : [] });
        Assert.Equal(cursor.Open, read.Open);
        Assert.Equal(CursorDocument.Empty with { Open = [] }, ReadCursor(CursorDocument.Empty) with { Open = [] });
    }

    [Fact]
    public void Cursor_WithALongError_KeepsItsBeginning_AlsoBetweenTheHalvesOfAPair()
    {
        var read = ReadCursor(CursorDocument.Empty with { Last = new LastRun(Time, Time, RunOutcome.Failed, new string('x', 199) + "🙂🙂") });

        Assert.StartsWith(new string('x', 199), read.Last!.Error, StringComparison.Ordinal);
        Assert.InRange(read.Last.Error!.Length, 199, 200);
    }

    [Fact]
    public void Changes_WrittenAndRead_AreTheSame_AndSayWhatIsNew()
    {
        var changes = ScheduleChanges.None.With(["a", "b"]).With(["c"]).With(["b"]);
        var read = ScheduleDocuments.ReadChanges(new StateDocument(ScheduleKeys.Changes, ScheduleDocuments.Write(changes), 1));

        Assert.Equal(4, read.Count);
        Assert.Equal(["a", "b", "c", "b"], read.Names);
        Assert.Equal([], read.Since(4)!);
        Assert.Equal(["c", "b"], read.Since(2)!);
        Assert.Equal(["a", "b", "c"], read.Since(0)!);
        Assert.Null(read.Since(5));
        Assert.Null(read.With([.. Enumerable.Range(0, 65).Select(i => $"{i}")]).Since(4));
        Assert.Null(read.With([.. Enumerable.Range(0, 64).Select(i => $"{i}")]).Since(3));
        Assert.Equal(64, read.With([.. Enumerable.Range(0, 64).Select(i => $"{i}")]).Since(4)!.Count);
    }

    [Theory]
    [InlineData("{}", "'name'")]
    [InlineData("{\"name\":\"s\"}", "'trigger'")]
    [InlineData("{\"name\":\"s\",\"trigger\":\"every 5m\"}", "'job' or 'message'")]
    [InlineData("{\"name\":\"s\",\"trigger\":\"every 5m\",\"job\":{}}", "'name' of the job")]
    [InlineData("{\"name\":\"s\",\"trigger\":\"every 5m\",\"job\":{\"name\":\"x\"},\"message\":{}}", "not both")]
    [InlineData("{\"name\":\"s\",\"triger\":\"every 5m\"}", "Did you mean 'trigger'?")]
    [InlineData("{\"name\":\"s\",\"job\":{\"name\":\"x\",\"args\":{}}}", "'args'")]
    [InlineData("{\"name\":\"s\",\"message\":{\"body\":\"?\"}}", "'body'")]
    [InlineData("{\"name\":\"s\",\"message\":{\"kind\":1}}", "'kind'")]
    [InlineData("{\"name\":\"s\",\"queue\":7}", "'queue'")]
    [InlineData("{\"name\":\"s\",\"start\":\"tomorrow\"}", "'start'")]
    [InlineData("{\"name\":\"s\",\"start\":\"2099-01-01T00:00:00\"}", "with 'Z' or an offset")]
    [InlineData("{\"name\":\"s\",\"end\":1}", "'end'")]
    [InlineData("{\"name\":\"s\",\"jitterMs\":\"1s\"}", "'jitterMs'")]
    [InlineData("{\"name\":\"s\",\"maxRuns\":1.5}", "'maxRuns'")]
    [InlineData("{\"name\":\"s\",\"misfire\":{\"policy\":\"fire\"}}", "'policy'")]
    [InlineData("{\"name\":\"s\",\"misfire\":{\"policy\":\"skip\",\"count\":2}}", "'count'")]
    [InlineData("{\"name\":\"s\",\"misfire\":{\"grace\":2}}", "'grace'")]
    [InlineData("{\"name\":\"s\",\"overlap\":{\"policy\":\"allow\",\"count\":0}}", "'count'")]
    [InlineData("{\"name\":\"s\",\"overlap\":{\"policy\":\"bufferOne\",\"count\":2}}", "'count'")]
    [InlineData("{\"name\":\"s\",\"timeoutMs\":true}", "'timeoutMs'")]
    [InlineData("{\"name\":\"s\",\"retry\":{\"kind\":\"never\"}}", "'kind'")]
    [InlineData("{\"name\":\"s\",\"retry\":{\"factor\":\"2\"}}", "'factor'")]
    [InlineData("{\"name\":\"s\",\"retry\":{\"retryOn\":[1]}}", "'retryOn'")]
    [InlineData("{\"name\":\"s\",\"priority\":\"high\"}", "'priority'")]
    [InlineData("{\"name\":\"s\",\"tags\":\"x\"}", "'tags'")]
    [InlineData("{\"name\":\"s\",\"metadata\":{\"a\":1}}", "'a'")]
    [InlineData("{\"name\":\"s\",\"enabled\":1}", "'enabled'")]
    [InlineData("{\"name\":\"s\",\"trigger\":\"\\ud800\"}", "trigger")]
    [InlineData("[]", "an object")]
    public void Definition_ThatIsWrong_IsRefusedByTheNameOfTheField(string json, string named)
    {
        var refused = Assert.ThrowsAny<MillraceException>(() => Read(json));

        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("61 * * * *")]
    [InlineData("every")]
    public void Definition_WithAnInvalidTrigger_IsRefusedWithTheFault(string trigger) =>
        Assert.Throws<InvalidTriggerException>(() => Read($"{{\"name\":\"s\",\"trigger\":\"{trigger}\"}}"));

    [Theory]
    [InlineData("{\"name\":\"s\"")]
    [InlineData("{\"name\":\"s\",\"tags\":[\"a\"")]
    [InlineData("{\"name\":\"s\",")]
    public void JsonThatIsCutOff_IsCalledThat(string json) =>
        Assert.Contains("no valid JSON", Assert.Throws<WireFormatException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void Definition_UnderAnotherName_IsRefused()
    {
        Assert.Contains("'t'", Assert.Throws<WireFormatException>(() => Read("{\"name\":\"s\"}", "t")).Message, StringComparison.Ordinal);
        Assert.Equal("t", Read("{\"trigger\":\"every 5m\",\"job\":{\"name\":\"x\"}}", "t").Name);
    }

    private static ScheduleDefinition Job(string name, byte[] arguments, string contentType) =>
        ScheduleWorld.EverySecond(name) with { Target = new JobTarget { Job = "work", Arguments = arguments, ContentType = contentType } };

    private static ScheduleDefinition Message(string name, byte[] body, string? contentType) =>
        ScheduleWorld.EverySecond(name) with { Target = new MessageTarget { Body = body, ContentType = contentType, Headers = MessageHeaders.Of(("h", "1"), ("i", "ä")) } };

    private static byte[] Write(ScheduleDefinition definition)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            ScheduleJson.Write(json, definition);
        }

        return stream.ToArray();
    }

    private static ScheduleDefinition Read(string text, string? name = null)
    {
        var reader = new WireReader(Encoding.UTF8.GetBytes(text), isStrict: true);
        return ScheduleJson.Read(ref reader, name);
    }

    private static CursorDocument ReadCursor(CursorDocument cursor) => ScheduleDocuments.ReadCursor(new StateDocument("!cursor!s", ScheduleDocuments.Write(cursor), 1));
}
