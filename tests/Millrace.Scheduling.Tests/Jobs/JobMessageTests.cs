using Millrace.Scheduling.Jobs;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>The form of messages that are jobs.</summary>
public sealed class JobMessageTests
{
    [Fact]
    public void Terms_ReadBackAsTheyWereWritten()
    {
        var terms = new JobTerms
        {
            Due = 1_900_000_000_123,
            Timeout = 1500,
            Retry = new JobRetry { MaxAttempts = 3, Kind = RetryDelay.Fixed, Delay = TimeSpan.Zero, RetryOn = ["TimeoutException"] },
            Track = true,
            Unique = "k",
            Batch = "b",
            Member = 7,
            Ended = new JobBatchEnd("b2", 3, 1),
            Schedule = "s",
            Version = 4,
            Then = [new JobFollowUp { Job = "next;2", Queue = "jobs", Arguments = "{}"u8.ToArray(), Priority = 0, On = ContinuationOn.Failed, Delay = 5, Headers = new() { ["a"] = "b" } }],
        };

        var read = JobMessage.TermsOf(JobMessage.HeadersOf("note", terms));

        Assert.Equal(terms with { Then = null }, read with { Then = null });
        var next = Assert.Single(read.Then!);
        Assert.Equal(("next;2", "jobs", "{}", 0, ContinuationOn.Failed, 5L, "b"), (next.Job, next.Queue, System.Text.Encoding.UTF8.GetString(next.Arguments.Span), next.Priority, next.On, next.Delay, next.Headers!["a"]));
    }

    [Fact]
    public void TermsThatOnlySayWhen_AreReadWithoutJson_AndAsJson()
    {
        var text = JobMessage.WriteDueOnly(1_900_000_000_123);

        Assert.Equal(text, JobMessage.Write(new JobTerms { Due = 1_900_000_000_123 }));
        Assert.True(JobMessage.TryReadDueOnly(text, out var due));
        Assert.Equal(1_900_000_000_123, due);
        Assert.False(JobMessage.TryReadDueOnly("""{"due":1,"track":true}""", out _));
        Assert.False(JobMessage.TryReadDueOnly("", out _));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"due":"x"}""")]
    public void TermsThatCannotBeRead_AreSaidToBeUnreadable(string text) =>
        Assert.Contains(
            JobMessage.OptionsHeader,
            Assert.Throws<MessageSerializationException>(() => JobMessage.TermsOf(MessageHeaders.Of((JobMessage.OptionsHeader, text)))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void AnId_OfALongChain_StaysWithinTheLimit_AndDiffersByItsRun()
    {
        var list = new[] { new JobFollowUp { Job = "next", Queue = "jobs" }, new JobFollowUp { Job = "next", Queue = "jobs" } };
        var run = new string('r', 200);

        Assert.Equal("next@r1", JobFollowUps.IdOf(list, 0, "r1"));
        Assert.Equal("next#2@r1", JobFollowUps.IdOf(list, 1, "r1"));
        Assert.InRange(JobFollowUps.IdOf(list, 0, run).Length, 1, 200);
        Assert.NotEqual(JobFollowUps.IdOf(list, 0, run), JobFollowUps.IdOf(list, 0, run + "2"));
    }
}
