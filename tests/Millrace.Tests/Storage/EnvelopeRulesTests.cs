using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage;

public sealed class EnvelopeRulesTests
{
    private static readonly QueueCapabilities Limits = new() { Backend = "test", Durability = StoreDurability.None, MaxBodyBytes = 10, MaxHeaderBytes = 20 };

    public static TheoryData<string, Envelope> Bad => new()
    {
        { "body has 11 bytes, the limit is 10", new Envelope(new byte[11]) },
        { "priority is 10, allowed are 0 to 9", new Envelope { Priority = 10 } },
        { "priority is -1", new Envelope { Priority = -1 } },
        { "delay is -00:00:01", new Envelope { Delay = TimeSpan.FromSeconds(-1) } },
        { "delay is 10000.00:00:00", new Envelope { Delay = TimeSpan.FromDays(10_000) } },
        { "time to live is 00:00:00", new Envelope { TimeToLive = TimeSpan.Zero } },
        { "id must have 1 to 200 bytes", new Envelope { Id = new string('x', 201) } },
        { "id must have 1 to 200 bytes of UTF-8 and no control", new Envelope { Id = "a\nb" } },
        { "key must have 1 to 200 bytes", new Envelope { Key = "" } },
        { "content type must have", new Envelope { ContentType = "a\0" } },
        { "headers have 21 bytes, the limit is 20", new Envelope { Headers = MessageHeaders.Create(new KeyValuePair<string, string>("a", new string('x', 20))) } },
        { "has 257 headers", new Envelope { Headers = MessageHeaders.Create(Enumerable.Range(0, 257).Select(i => new KeyValuePair<string, string>($"h{i}", ""))) } },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void BadMessages_AreNamed_WithTheirPlaceInTheBatch(string reason, Envelope bad)
    {
        Envelope[] batch = [new(new byte[10]), bad];

        var error = Assert.Throws<InvalidMessageException>(() => EnvelopeRules.Require(batch, Limits));
        Assert.StartsWith("Message 2 of 2 was refused, and the batch with it:", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ADefaultEnvelope_IsValid_AndHasTheDefaultPriority()
    {
        EnvelopeRules.Require([default], Limits);
        Assert.Equal(MessagePriority.Default, default(Envelope).Priority);
        Assert.Equal(9, new Envelope { Priority = 9 }.Priority);
    }
}
