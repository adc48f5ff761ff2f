using Millrace.Scheduling.Jobs;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>The names of jobs, and who may have them.</summary>
public sealed class JobNameTests
{
    [Theory]
    [InlineData("SendInvoice", "send-invoice")]
    [InlineData("HTTPProbe2", "http-probe2")]
    [InlineData("A", "a")]
    [InlineData("SendToB", "send-to-b")]
    [InlineData("Send_Invoice", "send-invoice")]
    [InlineData("Generic`1", "generic")]
    public void AName_WithoutAttribute_IsTheClassInKebabCase(string className, string name) => Assert.Equal(name, JobName.InKebabCase(className));

    [Fact]
    public void AName_WithAttribute_IsTheAttributes()
    {
        Assert.Equal("follow-up", JobName<Following>.Header);
        Assert.Equal("invoice;2", JobName<SecondInvoice>.Header);
        Assert.Equal("note", JobName<Note>.Header);
    }

    [Fact]
    public void TwoJobs_WithOneName_AreRefused_ByNameAndTypes()
    {
        var jobs = new JobRegistry();
        jobs.Add<FirstInvoice>(NothingAsync).Add<SecondInvoice>(NothingAsync);

        var exception = Assert.Throws<MillraceConfigurationException>(() => jobs.Add<OtherInvoice>(NothingAsync));

        Assert.Contains("'invoice;2'", exception.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(SecondInvoice), exception.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(OtherInvoice), exception.Message, StringComparison.Ordinal);
        Assert.Equal(["invoice", "invoice;2"], jobs.Names);
    }

    [Fact]
    public void AName_WithReservedCharacters_IsRefused()
    {
        Assert.Contains("BadName", Assert.Throws<MillraceConfigurationException>(() => new JobRegistry().Add<BadName>(NothingAsync)).Message, StringComparison.Ordinal);
        Assert.Contains("versions count from 1", Assert.Throws<MillraceConfigurationException>(() => new JobRegistry().Add<BadVersion>(NothingAsync)).Message, StringComparison.Ordinal);
        Assert.Contains("abstract", Assert.Throws<MillraceConfigurationException>(() => new JobRegistry().Add<IJob>(NothingAsync)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10_001)]
    public void AnOption_OutOfRange_IsRefused(int most) =>
        Assert.Contains("MaxConcurrent", Assert.Throws<MillraceConfigurationException>(() => new JobRegistry().Add<Note>(NothingAsync, options => options.MaxConcurrent = most)).Message, StringComparison.Ordinal);

    private static Task NothingAsync<TJob>(TJob job, JobContext context, CancellationToken cancellationToken) => Task.CompletedTask;

    [Job("invoice")]
    private sealed record FirstInvoice;

    [Job("invoice", Version = 2)]
    private sealed record SecondInvoice;

    [Job("invoice", Version = 2)]
    private sealed record OtherInvoice;

    [Job("in;voice")]
    private sealed record BadName;

    [Job("invoice", Version = 0)]
    private sealed record BadVersion;
}
