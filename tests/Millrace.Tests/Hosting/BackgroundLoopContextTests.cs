using Millrace.Hosting;
using Xunit;

namespace Millrace.Tests.Hosting;

/// <summary>A loop belongs to nobody's request.</summary>
public sealed class BackgroundLoopContextTests
{
    [Fact]
    public async Task A_loop_does_not_carry_the_context_of_its_starter()
    {
        var value = new AsyncLocal<string?> { Value = "the starter's" };
        string? seen = "none";
        await using var loop = new BackgroundLoop("test", _ =>
        {
            seen = value.Value;
            return Task.CompletedTask;
        });

        loop.Start();
        await loop.Completion.WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken);

        Assert.Null(seen);
    }
}
